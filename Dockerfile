# The REST service: `docker build -t outreach-api .`, see docs/docker.md.
FROM python:3.13-slim-trixie AS build
WORKDIR /build
# The lock of the hosts, which run the same Debian: every package by its hash.
COPY requirements-node.lock ./
RUN python -m venv /opt/outreach && \
    /opt/outreach/bin/pip install --no-cache-dir --require-hashes -r requirements-node.lock
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY api ./api
COPY notifier ./notifier
COPY validator ./validator
# The build backend is held by the developers' lock. `outreach` needs rooms that stay with the operator.
RUN /opt/outreach/bin/pip install --no-cache-dir --no-deps --build-constraint requirements.lock . && \
    rm /opt/outreach/bin/outreach && \
    /opt/outreach/bin/pip uninstall --yes pip

FROM python:3.13-slim-trixie
RUN groupadd --gid 10025 outreach && \
    useradd --uid 10025 --gid 10025 --home-dir /var/lib/outreach --no-create-home --shell /usr/sbin/nologin outreach && \
    install -d -o outreach -g outreach -m 0700 /var/lib/outreach && \
    install -d /etc/outreach
COPY --from=build /opt/outreach /opt/outreach
COPY docker/api.toml /etc/outreach/api.toml
ENV PATH=/opt/outreach/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    STATE_DIRECTORY=/var/lib/outreach
USER 10025:10025
VOLUME /var/lib/outreach
EXPOSE 8025
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8025/health', timeout=4)"]
CMD ["outreach-api", "serve"]
