"""Images: what servers are made from, and the bytes behind them."""
