"""How answers look to people and in --plain. One function an answer: printer and body in, lines out. Asks nobody."""
