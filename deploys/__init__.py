"""How the fleet is converged: plan and apply, pyinfra deploys, operations, providers."""
