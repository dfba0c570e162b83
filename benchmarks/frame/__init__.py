"""What every scenario shares: servers, sample data, rounds, gates, and the report."""
