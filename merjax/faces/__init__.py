"""Pictures of faces and points on them: landmarks, region boxes, crops, motion. Knows no database."""
