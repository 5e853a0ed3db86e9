"""What several mechanisms are built of."""
