/* The extension's state: every type, cached object and interned string that
 * the bindings share.  There are no mutable C globals; each interpreter that
 * imports onex_events._core has its own onex_state. */
#ifndef ONEX_PY_MODULE_H
#define ONEX_PY_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

/* What every site loads first.  `listening` is 0 while nobody listens to the
 * bus at all; `generation` changes with every change of who listens, so that
 * what a site has cached about its factories is checked by one compare.
 * Guard: the GIL (relaxed atomics on free-threaded builds). */
typedef struct onex_hook onex_hook;

typedef struct {
    int listening;
    uint32_t generation;
    onex_hook *idle; /* hook.c: functions that wait for a listener */
} onex_listening;

/* Interned strings: st->str_<name>. */
#define ONEX_STRINGS(X)                                                        \
    X(id)                                                                      \
    X(type)                                                                    \
    X(phase)                                                                   \
    X(private)                                                                 \
    X(set)                                                                     \
    X(deleted)                                                                 \
    X(_fields_set)                                                             \
    X(parent_id)                                                               \
    X(root_id)                                                                 \
    X(lineage_id)                                                              \
    X(duration_ms)                                                             \
    X(metadata)                                                                \
    X(args)                                                                    \
    X(event)                                                                   \
    X(extra)                                                                   \
    X(fields)                                                                  \
    X(finish)                                                                  \
    X(kwargs)                                                                  \
    X(timestamp)                                                               \
    X(model_fields)                                                            \
    X(parametrise)                                                             \
    X(complete)                                                                \
    X(make_default)                                                            \
    X(private_default)                                                         \
    X(before_construction)                                                     \
    X(after_construction)                                                      \
    X(__init__)                                                                \
    X(__onex_site__)                                                           \
    X(__wrapped__)                                                             \
    X(__new__)                                                                 \
    X(__getattr__)                                                             \
    X(__getattribute__)                                                        \
    X(__getstate__)                                                            \
    X(error)                                                                   \
    X(simplify)                                                                \
    X(like)                                                                    \
    X(chosen)                                                                  \
    X(_accept)                                                                 \
    X(_dispatch)                                                               \
    X(_flushed)                                                                \
    X(_watch_handled)                                                          \
    X(json_key)                                                                \
    X(computed_values)                                                         \
    X(after_constructed)

/* Python objects that the state owns: st-><name>.  One list for declaration,
 * traverse and clear.  Each section belongs to the file named above it. */
#define ONEX_OBJECTS(X)                                                        \
    /* context.c */                                                            \
    X(frame_type)                                                              \
    X(place_type)                                                              \
    X(current_frame_var) /* contextvars.ContextVar holding a frame or None */  \
    /* site_function.c */                                                      \
    X(site_function_type)                                                      \
    X(site_callable_type)                                                      \
    /* hook.c */                                                               \
    X(hook_type)                                                               \
    X(function_ref_type)                                                       \
    X(function_died)                                                           \
    /* awaitable.c, async_generator.c */                                       \
    X(coroutine_type)                                                          \
    X(generator_type)                                                          \
    X(iterable_coroutine_type)                                                 \
    X(async_generator_type)                                                    \
    X(async_step_type)                                                         \
    X(get_asyncgen_hooks) /* of sys */                                         \
    X(set_asyncgen_hooks)                                                      \
    /* fields.c */                                                             \
    X(validator_type)                                                          \
    X(validation_error_type)                                                   \
    X(key_mark) /* "[key]", in locations of dict keys */                       \
    /* validate_*.c: classes, NULL until they are needed */                    \
    X(enum_meta)                                                               \
    X(mapping_abc)                                                             \
    X(decimal_type)                                                            \
    X(fraction_type)                                                           \
    /* event_meta.c */                                                         \
    X(abc_meta)                                                                \
    X(abc_init) /* abc._abc_init */                                            \
    X(event_meta_type)                                                         \
    X(event_base_type)                                                         \
    X(event_type)       /* the class Event */                                  \
    X(event_phase_type) /* enums.EventPhase */                                 \
    X(model_module)     /* onex_events.model, from the first class on */       \
    X(no_args)          /* () */                                               \
    X(phase_completed)                                                         \
    X(phase_failed)                                                            \
    X(revive) /* _core.revive, for pickles */                                  \
    /* event_dump.c, event_json.c: from the first use on */                    \
    X(dumping_module) /* onex_events.dumping */                                \
    X(json_encode)    /* of msgspec */                                         \
    X(json_decode)                                                             \
    X(json_format)                                                             \
    /* event_values.c */                                                       \
    X(uuid_type)                                                               \
    X(uuid_safe_unknown)                                                       \
    X(deepcopy)                                                                \
    /* bus.c */                                                                \
    X(bus_type)                                                                \
    X(default_bus)                                                             \
    X(str_asyncio_events)                                                      \
    X(queue_full_error)                                                        \
    X(get_running_loop) /* asyncio's, once asyncio is imported */              \
    /* subscription.c, delivery.c, handler_run.c, emitted.c */                 \
    X(subscription_type)                                                       \
    X(handler_stats_type)                                                      \
    X(delivery_type)                                                           \
    X(handler_run_type)                                                        \
    X(emitted_type)                                                            \
    X(spare_stop) /* a StopIteration to be used again */                       \
    /* histogram.c, timer.c, timer_table.c */                                  \
    X(histogram_type)                                                          \
    X(timer_type)                                                              \
    X(timer_table_type)

#define ONEX_UNUSED_SIZES 16

typedef struct onex_state {
#define X(name) PyObject *name;
    ONEX_OBJECTS(X)
#undef X
#define X(name) PyObject *str_##name;
    ONEX_STRINGS(X)
#undef X
    /* What sites of the default bus load; mirrors that bus's own block. */
    onex_listening default_listening;
    /* context.c: get_context_statistics.  Guard: the GIL. */
    uint64_t context_pushes;
    uint64_t context_pops;
    uint64_t context_unmatched;
    Py_ssize_t context_max_depth;
    /* context.c: frames to be used again, linked by `outer`.  Guard: the GIL. */
    struct onex_frame *free_frames;
    int n_free_frames;
    /* observed.c: the same, linked by `inner`. */
    struct onex_observed *free_observed;
    int n_free_observed;
    /* Handler calls that run in any thread (a call that was abandoned stays
     * counted): while 0, nobody is inside a handler. */
    uint64_t active_handlers;
    struct onex_emitted *free_emitted;
    int n_free_emitted;
    bool keeps_free; /* all: until the module is torn down */
    /* event_values.c: the datetime module's functions, where uuid.UUID keeps
     * its two members. */
    void *datetime_api;
    /* Events that the collector tracks since they are kept: event.h. */
    uint64_t kept_and_tracked;
    bool ending; /* event_track.c: every event is visited */
    /* event.c: dropped events kept for reuse, by number of own fields. */
    struct {
        void *first;
        Py_ssize_t length;
    } unused_events[ONEX_UNUSED_SIZES];
    Py_ssize_t uuid_int_offset;
    Py_ssize_t uuid_safe_offset;
} onex_state;

extern struct PyModuleDef onex_module_def;

static inline onex_state *
onex_state_of_module(PyObject *module)
{
    return (onex_state *)PyModule_GetState(module);
}

/* State from an instance's or subclass's type (walks the MRO: cold paths). */
static inline onex_state *
onex_state_of_type(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &onex_module_def);
    return module == NULL ? NULL : onex_state_of_module(module);
}

/* For deallocators of the module's own types: raises nothing, and is NULL when
 * the collector has cleared the type before the instance. */
static inline onex_state *
onex_state_at_dealloc(PyTypeObject *type)
{
    PyObject *module = ((PyHeapTypeObject *)type)->ht_module;
    return module == NULL ? NULL : onex_state_of_module(module);
}

/* Makes a heap type from its spec, adds it to the module under its name and
 * returns a new reference, or NULL with an exception. */
PyObject *onex_add_type(PyObject *module, PyType_Spec *spec, PyObject *bases);

/* One setup function a file, called in this order by the module's exec slot.
 * Each returns 0, or -1 with an exception. */
int onex_fields_setup(PyObject *module, onex_state *st);
int onex_event_setup(PyObject *module, onex_state *st);
void onex_event_free_unused(onex_state *st);
int onex_event_meta_setup(PyObject *module, onex_state *st);
int onex_event_track_setup(PyObject *module);
int onex_context_setup(PyObject *module, onex_state *st);
void onex_context_teardown(onex_state *st);
void onex_observed_teardown(onex_state *st);
int onex_hook_setup(PyObject *module, onex_state *st);
int onex_site_function_setup(PyObject *module, onex_state *st);
int onex_call_setup(PyObject *module, onex_state *st);
int onex_awaitable_setup(PyObject *module, onex_state *st);
int onex_async_generator_setup(PyObject *module, onex_state *st);
int onex_bus_setup(PyObject *module, onex_state *st);
int onex_histogram_setup(PyObject *module, onex_state *st);
int onex_timer_setup(PyObject *module, onex_state *st);
int onex_timer_table_setup(PyObject *module, onex_state *st);

#endif
