"""Questions that only a real database answers: does it look as the models say, and does what it holds make sense?"""
