"""What is to be run: tasks, values and settings, wherever they come from and whatever executes them."""
