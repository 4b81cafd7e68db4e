"""A plan is a value: the ordered changes between the world as read and the fleet as wanted."""
