"""Pictures of faces and points on them: landmarks, region boxes, crops, motion. This package knows no database."""
