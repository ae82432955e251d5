"""What lies where in the folder of a run."""

TEACHER, STUDENT, REFERENCE = "teacher", "student", "reference"
FROZEN_TEACHER = "frozen_teacher"  # the teacher before it is fine-tuned
TRANSFER_SET, HIDDEN = "transfer_set", "hidden"
ARTIFACTS, VERIFIED, BENCHED = "artifacts", "verified", "benched"  # each with a folder a target
CHECKPOINTS = "checkpoints"
BUNDLE = "bundle"
BENCH = "bench"  # records of `pocketbert bench`
RESULT, REPORT = "result.json", "report.html"
CARD = "README.md"  # the model card in the student's folder, written last; it decides nothing
