/* PyMemberDef and its field types under their names of 3.12, everywhere. */
#ifndef ONEX_PY_MEMBERS_H
#define ONEX_PY_MEMBERS_H

#include "py/module.h"

#include <stddef.h>

#if PY_VERSION_HEX < 0x030C0000
#include <structmember.h>
#define Py_T_OBJECT_EX T_OBJECT_EX
#define Py_T_PYSSIZET T_PYSSIZET
#define Py_READONLY READONLY
#endif

#endif
