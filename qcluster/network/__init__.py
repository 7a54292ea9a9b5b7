"""verify-network: which probe goes where (pure), what the answers mean (pure), and the dialogue that gets them."""
