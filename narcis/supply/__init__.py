"""Where weights come from: a folder, a bucket or the hub, and the way from there into the folder of models."""
