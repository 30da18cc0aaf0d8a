"""`garra onboard`: finding servers (`finding`), what is written (`writing`), with questions (`guided`) or without
(`unattended`). Nothing is written before everything is known."""
