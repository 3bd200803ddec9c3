"""Training of wren, a small speech model of the Voxtral TTS family.

In: a teacher voice (Kokoro-82M) and text. Out: a checkpoint in the Voxtral file format.
Each stage reads and writes files under one working folder, so any stage can be stopped and resumed.
"""
