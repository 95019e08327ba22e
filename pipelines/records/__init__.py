"""What runs leave behind of themselves, and what is said of it."""
