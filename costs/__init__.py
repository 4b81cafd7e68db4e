"""What the fleet costs, now and at any size."""
