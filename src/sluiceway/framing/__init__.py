"""Layer 6: lines, separated records and length-prefixed frames from any reader."""
