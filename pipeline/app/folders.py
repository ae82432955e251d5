"""What lies where in the folder of a run."""

TEACHER, STUDENT, REFERENCE = "teacher", "student", "reference"
FROZEN_TEACHER = "frozen_teacher"  # the teacher before it is fine-tuned
TRANSFER_SET, HIDDEN = "transfer_set", "hidden"
ARTIFACTS, VERIFIED, BENCHED = "artifacts", "verified", "benched"  # each with a folder a target
GIVEN = "given"  # data and teacher that a caller handed over as objects
TRAINING = "training.json"  # losses and scores, in the folder of what was trained
CHECKPOINTS = "checkpoints"  # with a folder for each model in training
SHAPES, MEASURED = "shapes", "measured"  # of a search: each with a folder a shape; its figures
FOUND, BEST, FRONT = "search.json", "best.toml", "front.svg"  # of a search
BUNDLE = "bundle"
BENCH = "bench"  # records of `pocketbert bench`
RESULT, REPORT = "result.json", "report.html"
PACKAGED = "packaged.json"  # what a result is for a run, of a classifier that was packaged
CARD = "README.md"  # the model card in the student's folder, written last; it decides nothing
