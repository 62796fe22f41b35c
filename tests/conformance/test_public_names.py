"""Spec 1: everything public is importable from the package, and from the two named modules."""

import inspect

import pytest

PUBLIC = """
Event EventPhase EventPriority Field ValidationError
CreatingEvent CreatedEvent ModifyingEvent ModifiedEvent DeletingEvent DeletedEvent ProcessingEvent
ProcessedEvent ValidatingEvent ValidatedEvent StateTransitionEvent RelationshipCreatedEvent
RelationshipRemovedEvent SystemEvent SystemStartupEvent SystemShutdownEvent
EventBus Subscription get_event_bus set_event_bus QueueFullError
emit_events on track_state_transition
emit emit_and_wait event_context create_event_chain
EventSerializer EventBusMonitor
""".split()

CONTEXT = """
get_current_parent_event push_event_context pop_event_context get_context_depth get_context_stack
get_root_event clear_context get_context_statistics validate_context_balance EventContextManager
create_child_event_with_context with_auto_parent_linking
""".split()

BRIDGE = """
emit_creation_events emit_modification_events emit_deletion_events emit_validation_events
emit_processing_events emit_state_transition_events emit_timed_operation emit_simple_event
""".split()


@pytest.mark.parametrize("name", PUBLIC + CONTEXT + BRIDGE)
def test_name_is_importable_from_the_package(api, name):
    assert hasattr(api, name)


@pytest.mark.parametrize("name", CONTEXT)
def test_name_is_importable_from_the_context_module(api, name):
    assert getattr(api.context, name) is getattr(api, name)


@pytest.mark.parametrize("name", BRIDGE)
def test_name_is_importable_from_the_bridge_module(api, name):
    assert getattr(api.bridge, name) is getattr(api, name)


@pytest.mark.parametrize("name", BRIDGE)
def test_bridge_functions_are_coroutine_functions(api, name):
    assert inspect.iscoroutinefunction(getattr(api.bridge, name))


@pytest.mark.core_only(reason="SiteFunction is the core's mechanism (§3)")
def test_site_function_is_importable_from_the_package(api):
    assert isinstance(api.SiteFunction, type)


@pytest.mark.parametrize("name", sorted({*PUBLIC, *CONTEXT, *BRIDGE} - {"ValidationError"}))
def test_public_name_has_a_docstring(api, name):
    assert (getattr(api, name).__doc__ or "").strip()


SIGNATURES = {
    "emit_events": "creating_factory=None, created_factory=None, failed_factory=None,"
    " include_timing=True, include_args=False, *, cancelled_factory=None, enabled=True, bus=None,"
    " creating_type=None, created_type=None, failed_type=None, cancelled_type=None, sample=None,"
    " strict=False, hook='auto'",
    "track_state_transition": "state_field='state', emit_event=True",
    "get_event_bus": "",
    "set_event_bus": "bus",
    "emit": "event",
    "emit_and_wait": "event, timeout=None",
    "event_context": "start_event, end_event_factory=None",
    "create_event_chain": "events",
    "create_child_event_with_context": "factory, *a, **k",
    "with_auto_parent_linking": "factory",
    "emit_creation_events": "obj, operation_name='create'",
    "emit_modification_events": "obj, fields, old_values=None, operation_name='modify'",
    "emit_deletion_events": "obj, operation_name='delete'",
    "emit_validation_events": "obj, validation_type='schema', is_valid=True, errors=None",
    "emit_processing_events": "process_name, inputs=None, outputs=None, subject=None",
    "emit_state_transition_events": "obj, from_state, to_state, transition_reason=None",
    "emit_timed_operation": "operation_name, operation_func, obj=None, *args, **kwargs",
    "emit_simple_event": "event_type, obj=None, metadata=None",
    "EventBusMonitor": "bus",
}


def _shape(signature):
    """Names, kinds and defaults; one that may only be positional is as good."""
    return [
        (
            None if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) else p.name,
            p.POSITIONAL_OR_KEYWORD if p.kind is p.POSITIONAL_ONLY else p.kind,
            p.default,
        )
        for p in signature.parameters.values()
    ]


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature_is_the_contracts(api, name):
    namespace = {}
    exec(f"def expected({SIGNATURES[name]}): ...", namespace)
    assert _shape(inspect.signature(getattr(api, name))) == _shape(
        inspect.signature(namespace["expected"])
    )


METHODS = {
    "subscribe": "handler, event_types=None, pattern=None, predicate=None, priority=...,"
    " weak=False",
    "unsubscribe": "subscription",
    "start": "",
    "stop": "",
    "emit": "event",
    "emit_sync": "event",
    "get_history": "limit=None, event_type=None, since=None",
    "get_event_by_id": "id",
    "get_children": "parent_id",
    "get_siblings": "event_id",
    "emit_with_children": "parent_event, child_generators",
    "wait_for_children": "parent_id, timeout=None",
    "get_statistics": "",
}


@pytest.mark.parametrize("name", METHODS)
def test_bus_method_begins_with_the_contracts_parameters(api, bus, name):
    namespace = {}
    exec(f"def expected({METHODS[name]}): ...", namespace)
    expected = inspect.signature(namespace["expected"]).parameters
    actual = inspect.signature(getattr(bus, name)).parameters
    assert list(actual)[: len(expected)] == list(expected)
    for parameter in expected.values():
        if parameter.default not in (inspect.Parameter.empty, ...):
            assert actual[parameter.name].default == parameter.default
