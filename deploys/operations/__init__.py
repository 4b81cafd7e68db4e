"""Operations that deploys share: whole service configurations, packages, files born on a host."""
