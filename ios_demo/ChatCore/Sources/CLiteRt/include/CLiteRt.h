/* The prototypes that the bench's C++ runner uses, too. */
#include "../../../../../pipeline/measure/native/litert.h"
