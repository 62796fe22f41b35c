/* Validators of records: TypedDict, NamedTuple, dataclasses, Event classes. */
#include "py/validate.h"

const onex_validator_kind onex_record_kinds[] = {
    {NULL, 0, 0, NULL, NULL},
};
