"""Resale inventory: purchases become stock, stock becomes sales."""
