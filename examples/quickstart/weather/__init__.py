"""What a year of temperatures was like."""
