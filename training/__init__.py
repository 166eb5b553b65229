"""Training: `config` says what, `recipes` how, `trainer` does it; pictures, holes and losses are files of their own."""
