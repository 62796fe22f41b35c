/* failing_memory: a module that makes the n-th allocation of this thread fail.
 *
 * _testcapi.set_nomemory does it for every allocation there is, and so tests
 * the interpreter and its libraries first: CPython 3.13.0 frees a code object
 * twice when MAKE_FUNCTION has no memory, msgspec 0.21 copies a JSON key to
 * NULL.  Here an allocation counts if our extension asks for it: the stack is
 * walked outwards to the first frame that tells, and that must be the
 * extension's, not the interpreter loop's or a foreign extension's.  The loop
 * is told by `loop_of_python`, through which every Python frame runs (PEP 523):
 * where it was compiled in parts, as Debian's 3.14 and 3.15 are, the parts have
 * no names. */
#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unwind.h>

/* Functions of CPython that survive one failing allocation, not several: 3.13
 * drops the token that it could not make when the map can't be made either. */
static const char *const fragile[] = {"PyContextVar_Set"};

#define MOST_FRAMES 100
#define VERDICTS 65536 /* more call sites than an interpreter has */

typedef enum { UNKNOWN, THROUGH, COUNTS, SPARED, FRAGILE } verdict;

/* Guard for all: the GIL, and only `thread` counts. */
static PyMemAllocatorEx before[3];
static atomic_ulong thread; /* 0: nothing fails */
static unsigned long first, last, seen;
static const void *core; /* the base address of onex_events._core */
static struct {
    uintptr_t pc;
    verdict verdict;
} known[VERDICTS];

/* --- whose allocation is it? ------------------------------------------------ */

/* Not static: dladdr() is to find its name. */
PyObject *
loop_of_python(PyThreadState *state, struct _PyInterpreterFrame *frame,
               int thrown)
{
    PyObject *volatile result = _PyEval_EvalFrameDefault(state, frame, thrown);
    return result; /* no tail call: this frame stays on the stack */
}

static verdict
judge(uintptr_t pc)
{
    static const void *libc, *here;
    Dl_info info;
    if (here == NULL) {
        dladdr((void *)&judge, &info);
        here = info.dli_fbase;
        dladdr((void *)&malloc, &info);
        libc = info.dli_fbase;
    }
    if (dladdr((void *)pc, &info) == 0) {
        return THROUGH;
    }
    if (info.dli_fbase == core) {
        return COUNTS;
    }
    if (info.dli_sname != NULL) {
        if (strncmp(info.dli_sname, "_PyEval_", 8) == 0 ||
            info.dli_saddr == (void *)&loop_of_python) {
            return SPARED; /* the loop, and what clears its frames */
        }
        for (size_t i = 0; i < Py_ARRAY_LENGTH(fragile); i++) {
            if (strcmp(info.dli_sname, fragile[i]) == 0) {
                return FRAGILE;
            }
        }
    }
    Dl_info python;
    dladdr((void *)&Py_IsInitialized, &python);
    bool standard = info.dli_fbase == libc || info.dli_fbase == here ||
                    info.dli_fbase == python.dli_fbase ||
                    strstr(info.dli_fname, "lib-dynload") != NULL ||
                    strstr(info.dli_fname, "libgcc_s") != NULL;
    return standard ? THROUGH : SPARED;
}

typedef struct {
    int frames;
    verdict verdict;
} walk;

static _Unwind_Reason_Code
look_at_frame(struct _Unwind_Context *context, void *argument)
{
    walk *at = argument;
    uintptr_t pc = _Unwind_GetIP(context) - 1; /* in the call */
    size_t slot = (pc ^ pc >> 16) % VERDICTS;
    if (known[slot].pc != pc) {
        known[slot].pc = pc;
        known[slot].verdict = judge(pc);
    }
    at->verdict = known[slot].verdict;
    if (at->verdict == FRAGILE) {
        at->verdict = last - first > 1 ? SPARED : THROUGH;
    }
    return at->verdict != THROUGH || ++at->frames == MOST_FRAMES
               ? _URC_END_OF_STACK
               : _URC_NO_REASON;
}

static bool
fails(void)
{
    if (atomic_load(&thread) == 0 ||
        atomic_load(&thread) != PyThread_get_thread_ident()) {
        return false;
    }
    walk at = {0, UNKNOWN};
    (void)_Unwind_Backtrace(look_at_frame, &at);
    if (at.verdict != COUNTS) {
        return false;
    }
    unsigned long number = seen++;
    return number >= first && number < last;
}

/* --- the allocators --------------------------------------------------------- */

static void *
failing_malloc(void *context, size_t size)
{
    PyMemAllocatorEx *to = context;
    return fails() ? NULL : to->malloc(to->ctx, size);
}

static void *
failing_calloc(void *context, size_t count, size_t size)
{
    PyMemAllocatorEx *to = context;
    return fails() ? NULL : to->calloc(to->ctx, count, size);
}

static void *
failing_realloc(void *context, void *pointer, size_t size)
{
    PyMemAllocatorEx *to = context;
    return fails() ? NULL : to->realloc(to->ctx, pointer, size);
}

static void
plain_free(void *context, void *pointer)
{
    PyMemAllocatorEx *to = context;
    to->free(to->ctx, pointer);
}

/* --- the module --------------------------------------------------------------- */

PyDoc_STRVAR(fail_doc,
             "fail(first, last, /)\n--\n\n"
             "From now on this thread's allocations number `first` to `last` "
             "- 1 fail.");

static PyObject *
fail(PyObject *Py_UNUSED(module), PyObject *args)
{
    if (!PyArg_ParseTuple(args, "kk:fail", &first, &last)) {
        return NULL;
    }
    seen = 0;
    atomic_store(&thread, PyThread_get_thread_ident());
    Py_RETURN_NONE;
}

PyDoc_STRVAR(stop_doc, "stop()\n--\n\n"
                       "No allocation fails any more; returns how many were "
                       "asked for.");

static PyObject *
stop(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    atomic_store(&thread, 0);
    return PyLong_FromUnsignedLong(seen);
}

PyDoc_STRVAR(watch_doc,
             "watch(path, /)\n--\n\n"
             "Puts the failing allocators in place for the extension at "
             "`path`.");

static PyObject *
watch(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *path;
    if (!PyArg_ParseTuple(args, "s:watch", &path)) {
        return NULL;
    }
    void *handle = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
    Dl_info info;
    if (handle == NULL || core != NULL ||
        dladdr(dlsym(handle, "PyInit__core"), &info) == 0) {
        PyErr_Format(PyExc_RuntimeError, "%s is not loaded, or watched twice",
                     path);
        return NULL;
    }
    core = info.dli_fbase;
    _PyInterpreterState_SetEvalFrameFunc(PyInterpreterState_Get(),
                                         loop_of_python);
    for (int domain = PYMEM_DOMAIN_RAW; domain <= PYMEM_DOMAIN_OBJ; domain++) {
        PyMem_GetAllocator((PyMemAllocatorDomain)domain, &before[domain]);
        PyMemAllocatorEx failing = {&before[domain], failing_malloc,
                                    failing_calloc, failing_realloc,
                                    plain_free};
        PyMem_SetAllocator((PyMemAllocatorDomain)domain, &failing);
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"fail", fail, METH_VARARGS, fail_doc},
    {"stop", stop, METH_NOARGS, stop_doc},
    {"watch", watch, METH_VARARGS, watch_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "failing_memory",
    .m_doc = PyDoc_STR("Makes one allocation after the other fail."),
    .m_methods = functions,
};

PyMODINIT_FUNC
PyInit_failing_memory(void)
{
    return PyModule_Create(&module_def);
}
