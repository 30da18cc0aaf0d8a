"""Damaged servers: what each sends, and what an ideal reader makes of it, by generators that know the damage."""
