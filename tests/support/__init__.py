"""What several tests share: doubles, workers, servers, virtual time."""
