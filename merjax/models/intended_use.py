"""What results on people may be used for, said wherever there are some."""

NEVER = (
    "It must not be used to judge people: not in hiring, policing, border control, court, school, insurance or care."
)
INTENDED_USE = (
    "For research on methods. It says which class of the training labels a clip resembles, not what a person feels, thinks or "
    f"hides. {NEVER}"
)
