"""What the fleet is: typed model, allocation, pyinfra inventory."""
