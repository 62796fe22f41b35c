/* The in-place hook.
 *
 * What the decorator returns is a copy of the function: the same code,
 * closure, defaults, annotations.  While somebody may listen, its vectorcall
 * is ours (PyFunction_SetVectorcall, made for this); the first call that finds
 * nobody listening puts the interpreter's own back.  So whoever begins to
 * listen pays for the exchange, and a function that nobody listens to is
 * called as any other: nothing of ours is there.
 *
 *   function --__dict__["__onex_site__"]--> Hook (owned)
 *   function --word behind the struct-----> Hook (borrowed; what a call loads)
 *   Hook     --pointer--------------------> function (borrowed)
 *
 * Whichever goes first tells the other (part), at a time when both are whole:
 * the function by a weak reference's callback, the hook by its finaliser, also
 * where the collector takes both.
 *
 * The interpreter may run a function without its vectorcall where it has
 * specialised the call site.  It checks func_version first, which an exchange
 * clears: tests/test_call_shapes.py runs every shape of call on every version.
 * The exceptions, which it runs without any check, are an __init__ (>= 3.13) and
 * the getter of a property (3.14): what may be one gets a SiteFunction, and so
 * does every function on versions that are not listed here. */
#include "py/hook.h"

#include "core/stack.h"
#include "py/call.h"
#include "py/observed.h"

#if PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x03100000 &&             \
    !defined(Py_GIL_DISABLED)
#define HOOKS_IN_PLACE 1
#else
#define HOOKS_IN_PLACE 0
#endif

/* A weak reference that knows whom to tell. */
typedef struct {
    PyWeakReference base;
    onex_hook *hook; /* borrowed; NULL when it knows of the function no more */
} function_ref;

struct onex_hook {
    PyObject_HEAD
    onex_site site;
    PyFunctionObject *function; /* borrowed; NULL when it is gone */
    PyObject *ref;              /* weak: tells of its end */
    vectorcallfunc plain;       /* how the interpreter calls a function */
    onex_hook *next, *prev;     /* in listening->idle, while not engaged */
    bool idle;                  /* is in that list */
    uint32_t version; /* the function's when it was engaged; 0: none */
};

#if HOOKS_IN_PLACE

/* --- the list of idle hooks --- */

static void
list_add(onex_hook *self)
{
    onex_listening *listening = self->site.listening;
    if (self->idle) {
        return;
    }
    self->idle = true;
    self->prev = NULL;
    self->next = listening->idle;
    if (self->next != NULL) {
        self->next->prev = self;
    }
    listening->idle = self;
}

static void
list_remove(onex_hook *self)
{
    onex_listening *listening = self->site.listening;
    if (!self->idle) {
        return;
    }
    self->idle = false;
    if (self->next != NULL) {
        self->next->prev = self->prev;
    }
    if (self->prev != NULL) {
        self->prev->next = self->next;
    }
    else {
        listening->idle = self->next;
    }
    self->next = self->prev = NULL;
}

/* --- the function --- */

/* The word behind the function's struct. */
static inline onex_hook **
hook_of(PyObject *function)
{
    return (onex_hook **)((char *)function + sizeof(PyFunctionObject));
}

/* The specialiser knows a function by its version, which is that of its code
 * from 3.13 on, and is given again at need before. */
static bool
has_version(const PyFunctionObject *function)
{
#if PY_VERSION_HEX >= 0x030D0000
    return function->func_version > 1 &&
           function->func_version ==
               ((PyCodeObject *)function->func_code)->co_version;
#else
    (void)function;
    return false;
#endif
}

/* PyFunction_SetVectorcall takes the version away for good, and with it every
 * specialisation of the calls; for this there is no API.  A function that has
 * other code by now is left without. */
static void
give_version(PyFunctionObject *function, uint32_t version)
{
#if PY_VERSION_HEX >= 0x030D0000
    if (version != 0 &&
        ((PyCodeObject *)function->func_code)->co_version == version) {
        function->func_version = version;
    }
#else
    (void)function;
    (void)version;
#endif
}

static PyObject *
hook_vectorcall(PyObject *, PyObject *const *, size_t, PyObject *);

static void
engage(onex_hook *self)
{
    list_remove(self);
    self->version =
        has_version(self->function) ? self->function->func_version : 0;
    PyFunction_SetVectorcall(self->function, hook_vectorcall);
}

static void
let_go(onex_hook *self)
{
    if (self->function->vectorcall == hook_vectorcall) {
        PyFunction_SetVectorcall(self->function, self->plain);
        give_version(self->function, self->version);
    }
}

/* Function and hook know nothing of each other any more. */
static void
part(onex_hook *self)
{
    if (self->function != NULL) {
        let_go(self);
        *hook_of((PyObject *)self->function) = NULL;
        self->function = NULL;
    }
    list_remove(self);
    if (self->ref != NULL) { /* others may have it: weakref.getweakrefs */
        ((function_ref *)self->ref)->hook = NULL;
        Py_CLEAR(self->ref);
    }
}

/* --- calls --- */

static PyObject *
call_with_hook(onex_hook *self, PyObject *function, PyObject *const *args,
               size_t nargsf, PyObject *kwnames)
{
    if (onex_stack_is_low()) {
        PyErr_Format(PyExc_RecursionError,
                     "maximum recursion depth exceeded: the C stack of this "
                     "thread is used up while calling %U",
                     ((PyFunctionObject *)function)->func_qualname);
        return NULL;
    }
    onex_site *site = &self->site;
    if (site->kind == ONEX_FUNCTION) {
        return onex_call_function(site, self->plain, function, args, nargsf,
                                  kwnames);
    }
    PyObject *inner = self->plain(function, args, nargsf, kwnames);
    return inner == NULL
               ? NULL
               : onex_observed_new(site, inner, args, nargsf, kwnames);
}

static PyObject *
hook_vectorcall(PyObject *function, PyObject *const *args, size_t nargsf,
                PyObject *kwnames)
{
    /* The function's __dict__, which owns the hook, is the program's. */
    onex_hook *self = (onex_hook *)Py_NewRef((PyObject *)*hook_of(function));
    PyObject *result;
    if (self->site.listening->listening && onex_site_wanted(&self->site)) {
        result = call_with_hook(self, function, args, nargsf, kwnames);
    }
    else {
        if (self->function != NULL) {
            let_go(self);
            list_add(self);
        }
        result = self->plain(function, args, nargsf, kwnames);
    }
    Py_DECREF(self);
    return result;
}

/* --- construction --- */

/* The objects that a function refers to, but its __dict__. */
#define FUNCTION_FIELDS_312(X)                                                 \
    X(func_globals)                                                            \
    X(func_builtins)                                                           \
    X(func_name)                                                               \
    X(func_qualname)                                                           \
    X(func_code)                                                               \
    X(func_defaults)                                                           \
    X(func_kwdefaults)                                                         \
    X(func_closure)                                                            \
    X(func_doc)                                                                \
    X(func_module)                                                             \
    X(func_annotations)                                                        \
    X(func_typeparams)
#if PY_VERSION_HEX >= 0x030E0000
#define FUNCTION_FIELDS(X)                                                     \
    FUNCTION_FIELDS_312(X)                                                     \
    X(func_annotate)
#else
#define FUNCTION_FIELDS(X) FUNCTION_FIELDS_312(X)
#endif

/* In place of a dict that both functions would share, a copy. 0 / -1. */
static int
own_dict(PyObject **field)
{
    if (*field == NULL || !PyDict_CheckExact(*field)) {
        return 0;
    }
    PyObject *copy = PyDict_Copy(*field);
    if (copy == NULL) {
        return -1;
    }
    Py_SETREF(*field, copy);
    return 0;
}

/* A copy of the function with an empty word behind it. */
static PyObject *
copy_function(const PyFunctionObject *original)
{
    PyObject *object = PyUnstable_Object_GC_NewWithExtraData(
        &PyFunction_Type, sizeof(onex_hook *));
    if (object == NULL) {
        return NULL;
    }
    PyFunctionObject *copy = (PyFunctionObject *)object;
    memcpy((char *)copy + sizeof(PyObject),
           (const char *)original + sizeof(PyObject),
           sizeof(PyFunctionObject) - sizeof(PyObject));
    *hook_of(object) = NULL;
    copy->func_dict = NULL;
    copy->func_weakreflist = NULL;
    if (!has_version(original)) {
        copy->func_version = 0;
    }
#define X(name) Py_XINCREF(copy->name);
    FUNCTION_FIELDS(X)
#undef X
    PyObject_GC_Track(object);
    copy->func_dict = original->func_dict == NULL
                          ? PyDict_New()
                          : PyDict_Copy(original->func_dict);
    if (copy->func_dict == NULL || own_dict(&copy->func_kwdefaults) < 0 ||
        own_dict(&copy->func_annotations) < 0) {
        Py_DECREF(object);
        return NULL;
    }
    return object;
}

/* How the interpreter calls functions of this code; NULL with an exception. */
static vectorcallfunc
plain_vectorcall(const PyFunctionObject *function)
{
    PyObject *fresh =
        PyFunction_New(function->func_code, function->func_globals);
    if (fresh == NULL) {
        return NULL;
    }
    vectorcallfunc plain = ((PyFunctionObject *)fresh)->vectorcall;
    Py_DECREF(fresh);
    return plain;
}

/* Whether the interpreter may run this function without asking its vectorcall:
 * 1 / 0 / -1. */
static int
may_be_inlined(onex_state *st, const PyFunctionObject *function)
{
    (void)st;
    (void)function;
#if PY_VERSION_HEX >= 0x030D0000
    if (PyUnicode_Compare(function->func_name, st->str___init__) == 0) {
        return 1;
    }
#endif
#if PY_VERSION_HEX >= 0x030E0000 && PY_VERSION_HEX < 0x030F0000
    /* The getter of a property: one argument, and made in a class's body. */
    const PyCodeObject *code = (PyCodeObject *)function->func_code;
    if (code->co_argcount == 1 && code->co_kwonlyargcount == 0 &&
        !(code->co_flags & (CO_VARARGS | CO_VARKEYWORDS))) {
        PyObject *name = function->func_qualname;
        Py_ssize_t dot =
            PyUnicode_FindChar(name, '.', 0, PyUnicode_GET_LENGTH(name), -1);
        bool in_class = dot > 0 && PyUnicode_READ_CHAR(name, dot - 1) != '>';
        return in_class;
    }
#endif
    return PyErr_Occurred() ? -1 : 0;
}

/* True for a function whose calls nothing but the interpreter looks after.
 * 1 / 0 / -1 */
static int
can_be_hooked(onex_state *st, PyObject *target, vectorcallfunc plain)
{
    const PyFunctionObject *function = (PyFunctionObject *)target;
    if (function->vectorcall != plain ||
        PyFunction_Type.tp_basicsize != sizeof(PyFunctionObject)) {
        return 0;
    }
    int inlined = may_be_inlined(st, function);
    if (inlined != 0) {
        return inlined < 0 ? -1 : 0;
    }
    if (function->func_dict == NULL) {
        return 1;
    }
    PyObject *hook =
        PyDict_GetItemWithError(function->func_dict, st->str___onex_site__);
    if (hook == NULL) {
        return PyErr_Occurred() ? -1 : 1;
    }
    /* Copied there by functools.wraps, or really the function's own? */
    return !Py_IS_TYPE(hook, (PyTypeObject *)st->hook_type) ||
           ((onex_hook *)hook)->function != function;
}

/* The decorated function for `self`, whose site is filled. */
static PyObject *
make_function(onex_state *st, onex_hook *self)
{
    PyObject *function = copy_function((PyFunctionObject *)self->site.target);
    if (function == NULL) {
        return NULL;
    }
    PyObject *dict = ((PyFunctionObject *)function)->func_dict;
    self->ref = PyObject_CallFunctionObjArgs(st->function_ref_type, function,
                                             st->function_died, NULL);
    if (self->ref == NULL ||
        PyDict_SetItem(dict, st->str___wrapped__, self->site.target) < 0 ||
        PyDict_SetItem(dict, st->str___onex_site__, (PyObject *)self) < 0) {
        Py_DECREF(function);
        return NULL;
    }
    ((function_ref *)self->ref)->hook = self;
    *hook_of(function) = self;
    self->function = (PyFunctionObject *)function;
    if (self->site.listening->listening) {
        engage(self);
    }
    else {
        list_add(self);
    }
    return function;
}

/* _function_died(reference): the callback of the weak reference. */
static PyObject *
module_function_died(PyObject *Py_UNUSED(module), PyObject *ref)
{
    onex_hook *self = ((function_ref *)ref)->hook;
    if (self != NULL) {
        part(self);
    }
    Py_RETURN_NONE;
}

#endif /* HOOKS_IN_PLACE */

PyDoc_STRVAR(hook_function_doc,
             "hook_function(function, kind, factories, include_timing, "
             "include_args, bus,\n"
             "              enabled, sample, strict)\n--\n\n"
             "A copy of the function that is observed while somebody listens, "
             "or None where\n"
             "only a SiteFunction will do.  The arguments are those of "
             "SiteFunction.");

static PyObject *
module_hook_function(PyObject *module, PyObject *args, PyObject *kwargs)
{
#if HOOKS_IN_PLACE
    onex_state *st = onex_state_of_module(module);
    PyObject *target =
        PyTuple_GET_SIZE(args) > 0 ? PyTuple_GET_ITEM(args, 0) : Py_None;
    if (!PyFunction_Check(target)) {
        Py_RETURN_NONE;
    }
    vectorcallfunc plain = plain_vectorcall((PyFunctionObject *)target);
    int can = plain == NULL ? -1 : can_be_hooked(st, target, plain);
    if (can < 0) {
        return NULL;
    }
    if (!can) {
        Py_RETURN_NONE;
    }
    PyTypeObject *type = (PyTypeObject *)st->hook_type;
    onex_hook *self = (onex_hook *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->plain = plain;
    PyObject *function =
        onex_site_init(&self->site, st, (PyObject *)self, args, kwargs) < 0
            ? NULL
            : make_function(st, self);
    Py_DECREF(self);
    return function;
#else
    (void)module;
    (void)args;
    (void)kwargs;
    Py_RETURN_NONE;
#endif
}

/* --- who listens --- */

#if HOOKS_IN_PLACE

/* What `sub` thinks of the events that other factories of the same class make
 * too: sites are many, their event classes few. */
typedef struct {
    PyObject *event_class;
    PyObject *type_name;
    bool exact;
    bool known;
    bool wanted;
} opinion;

#define OPINIONS 64

static bool
may_want(onex_subscription *sub, const onex_factory *factory, opinion *known)
{
    size_t at = ((uintptr_t)factory->event_class >> 4 ^
                 (uintptr_t)factory->type_name >> 5) %
                OPINIONS;
    opinion *found = &known[at];
    if (!found->known || found->event_class != factory->event_class ||
        found->type_name != factory->type_name ||
        found->exact != factory->exact) {
        int interest = onex_subscription_interest(
            sub, factory->event_class, factory->type_name, factory->exact);
        if (interest < 0) {
            PyErr_Clear(); /* the call will ask again, and say so */
        }
        *found =
            (opinion){factory->event_class, factory->type_name, factory->exact,
                      true, interest != ONEX_INTEREST_NEVER};
    }
    return found->wanted;
}

static bool
site_may_be_wanted(const onex_site *site, onex_subscription *sub,
                   opinion *known)
{
    for (int i = 0; i < ONEX_FACTORIES; i++) {
        const onex_factory *factory = &site->factories[i];
        if (factory->factory != NULL && may_want(sub, factory, known)) {
            return true;
        }
    }
    return false;
}

void
onex_hooks_engage(onex_listening *listening, onex_subscription *sub)
{
    if (!listening->listening || listening->idle == NULL) {
        return;
    }
    opinion known[OPINIONS] = {{0}};
    for (onex_hook *self = listening->idle, *next; self != NULL; self = next) {
        next = self->next;
        if (sub == NULL || site_may_be_wanted(&self->site, sub, known)) {
            engage(self);
        }
    }
}

#else

void
onex_hooks_engage(onex_listening *Py_UNUSED(listening),
                  onex_subscription *Py_UNUSED(sub))
{
}

#endif

/* --- clear, traverse, dealloc --- */

static int
hook_traverse(onex_hook *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->ref);
    return onex_site_traverse(&self->site, visit, arg);
}

static void
hook_finalize(onex_hook *self)
{
#if HOOKS_IN_PLACE
    part(self);
#else
    (void)self;
#endif
}

static int
hook_clear(onex_hook *self)
{
    hook_finalize(self);
    onex_site_clear(&self->site);
    return 0;
}

static void
hook_dealloc(onex_hook *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)hook_clear(self);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

static PyObject *
hook_repr(onex_hook *self)
{
    PyObject *name =
        self->site.target == NULL
            ? NULL
            : PyObject_GetAttrString(self->site.target, "__qualname__");
    if (name == NULL) {
        PyErr_Clear();
        return PyUnicode_FromString("<observed function>");
    }
    PyObject *text = PyUnicode_FromFormat("<observed function %S>", name);
    Py_DECREF(name);
    return text;
}

PyDoc_STRVAR(hook_reduce_doc,
             "__reduce__($self, /)\n--\n\n"
             "Copies and pickles as None: a function that is pickled by value "
             "(cloudpickle)\nor rebuilt arrives as an ordinary one.");

static PyObject *
hook_reduce(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("O()", (PyObject *)Py_TYPE(Py_None));
}

static PyMethodDef hook_methods[] = {
    {"__reduce__", hook_reduce, METH_NOARGS, hook_reduce_doc},
    {NULL, NULL, 0, NULL},
};

/* --- setup --- */

static PyType_Slot hook_slots[] = {
    {Py_tp_doc, PyDoc_STR("What emit_events knows of a function: its "
                          "__onex_site__.")},
    {Py_tp_dealloc, hook_dealloc},
    {Py_tp_traverse, hook_traverse},
    {Py_tp_clear, hook_clear},
    {Py_tp_finalize, hook_finalize},
    {Py_tp_repr, hook_repr},
    {Py_tp_methods, hook_methods},
    {0, NULL},
};

static PyType_Spec hook_spec = {
    .name = "onex_events._core.Hook",
    .basicsize = sizeof(onex_hook),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = hook_slots,
};

#if HOOKS_IN_PLACE
static int
function_ref_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return _PyWeakref_RefType.tp_traverse(self, visit, arg);
}

static int
function_ref_clear(PyObject *self)
{
    return _PyWeakref_RefType.tp_clear(self);
}

static PyType_Slot function_ref_slots[] = {
    {Py_tp_traverse, function_ref_traverse},
    {Py_tp_clear, function_ref_clear},
    {0, NULL},
};

static PyType_Spec function_ref_spec = {
    .name = "onex_events._core.FunctionRef",
    .basicsize = sizeof(function_ref),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = function_ref_slots,
};

static PyMethodDef function_died = {"_function_died", module_function_died,
                                    METH_O, NULL};
#endif

static PyMethodDef hook_functions[] = {
    {"hook_function", (PyCFunction)(void (*)(void))module_hook_function,
     METH_VARARGS | METH_KEYWORDS, hook_function_doc},
    {NULL, NULL, 0, NULL},
};

int
onex_hook_setup(PyObject *module, onex_state *st)
{
    st->hook_type = onex_add_type(module, &hook_spec, NULL);
    if (st->hook_type == NULL ||
        PyModule_AddFunctions(module, hook_functions) < 0) {
        return -1;
    }
#if HOOKS_IN_PLACE
    PyObject *bases = PyTuple_Pack(1, &_PyWeakref_RefType);
    if (bases == NULL) {
        return -1;
    }
    st->function_ref_type =
        PyType_FromModuleAndSpec(module, &function_ref_spec, bases);
    Py_DECREF(bases);
    st->function_died = PyCFunction_New(&function_died, NULL);
    if (st->function_ref_type == NULL || st->function_died == NULL) {
        return -1;
    }
#endif
    return 0;
}
