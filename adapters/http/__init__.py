"""What every HTTP transport needs, whatever library carries its requests."""
