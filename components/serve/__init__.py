"""verify, identify, enroll, forget and embed over HTTP, and the Open Inference Protocol."""
