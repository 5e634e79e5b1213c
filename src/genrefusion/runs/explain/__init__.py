"""What a co-attention run looks at."""
