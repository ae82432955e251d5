#include "CLiteRt.h" /* a target needs a source */
