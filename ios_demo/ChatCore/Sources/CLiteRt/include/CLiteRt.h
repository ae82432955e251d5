/* The prototypes that the bench's C++ runner uses, too. */
#include "../../../../../pipeline/bench/native/litert.h"
