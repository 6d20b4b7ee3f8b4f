"""What a front tells of itself: metrics, and what they are measured by."""
