/* The in-place hook: a decorated function that is a real function, and whose
 * calls pass through us only while somebody listens. */
#ifndef ONEX_PY_HOOK_H
#define ONEX_PY_HOOK_H

#include "py/bus_internal.h"
#include "py/site.h"

/* Somebody began to listen: hooks every function of this block that `sub` may
 * want to hear of; sub NULL: every function (one that nobody wants after all
 * lets go of its hook at its next call).  Runs no user code, never fails. */
void onex_hooks_engage(onex_listening *listening, onex_subscription *sub);

#endif
