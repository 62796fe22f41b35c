"""Spec 1 §1: user subclasses work with only the import changed.

The sources are those that a user would write; `user_module` changes nothing but the import.
"""

from datetime import datetime
from uuid import UUID

import pytest


class TestFields:
    def test_annotation_becomes_a_required_field(self, api, user_module):
        module = user_module("""
            from onex_events import Event

            class Saved(Event):
                type: str = "saved"
                path: str
        """)
        assert module.Saved(path="a").path == "a"
        with pytest.raises(api.ValidationError) as caught:
            module.Saved()
        (error,) = caught.value.errors()
        assert (error["type"], error["loc"]) == ("missing", ("path",))

    def test_plain_value_is_a_default(self, api):
        class X(api.Event):
            type: str = "x"
            size: int = 3

        assert X().size == 3
        assert X(size=4).size == 4
        assert X.model_fields["size"].default == 3

    def test_default_is_not_validated(self, api):
        class X(api.Event):
            type: str = "x"
            size: int = "unchecked"

        assert X().size == "unchecked"

    @pytest.mark.parametrize("default", [[1, [2]], {"a": [1]}, {1, 2}], ids=repr)
    def test_mutable_default_is_copied_per_event(self, api, default):
        class X(api.Event):
            type: str = "x"
            value: object = default

        first, second = X(), X()
        assert first.value == second.value == default
        assert first.value is not second.value
        assert first.value is not default

    def test_nested_mutable_default_is_copied_deeply(self, api):
        class X(api.Event):
            type: str = "x"
            value: list = [[1]]

        X().value[0].append(2)
        assert X().value == [[1]]

    def test_unannotated_value_is_no_field(self, api, user_module):
        module = user_module("""
            from typing import ClassVar
            from onex_events import Event

            class X(Event):
                type: str = "x"
                LIMIT: ClassVar[int] = 7
                registry: ClassVar = {}
        """)
        assert module.X.LIMIT == 7
        assert module.X().LIMIT == 7
        assert "LIMIT" not in module.X.model_fields
        assert "registry" not in module.X.model_fields
        assert "LIMIT" not in module.X().model_dump()

    def test_field_order_is_base_first_then_own(self, api):
        class X(api.CreatedEvent):
            b: int = 1
            a: int = 2

        assert list(X.model_fields)[-3:] == ["created_id", "b", "a"]

    def test_overriding_keeps_the_place(self, api):
        class X(api.Event):
            own: int = 1
            type: str = "x"

        assert list(X.model_fields) == [*api.Event.model_fields, "own"]
        assert X.model_fields["type"].default == "x"
        assert not X.model_fields["type"].is_required()

    def test_subclass_of_a_subclass_has_all_fields(self, api):
        class One(api.Event):
            type: str = "one"
            a: int

        class Two(One):
            b: str = "b"

        event = Two(a="1")
        assert (event.type, event.a, event.b) == ("one", 1, "b")

    def test_base_class_is_unchanged_by_its_subclass(self, api):
        class X(api.Event):
            type: str = "x"
            extra_field: int = 1

        assert "extra_field" not in api.Event.model_fields
        assert api.Event.model_fields["type"].is_required()


class TestField:
    SOURCE = """
        from typing import Annotated, Any, Dict, List, Optional
        from uuid import UUID, uuid4
        from onex_events import Event
        {field_import}

        class X(Event):
            type: str = Field(default="x.happened")
            tags: List[str] = Field(default_factory=list)
            key: UUID = Field(default_factory=uuid4)
            path: str = Field(description="Where")
            also: str = Field(..., description="Required with an ellipsis")
            note: Optional[str] = Field(default=None, description="Why")
            size: Annotated[int, Field(description="Bytes")] = 5
            kept: Annotated[List[int], Field(default_factory=list)]
    """

    @pytest.fixture(params=["onex_events", "pydantic"])
    def cls(self, request, user_module):
        line = f"from {request.param} import Field"
        return user_module(self.SOURCE.replace("{field_import}", line)).X

    def test_defaults(self, cls):
        event = cls(path="p", also="a")
        assert event.type == "x.happened"
        assert event.tags == [] and event.kept == []
        assert isinstance(event.key, UUID)
        assert event.note is None and event.size == 5

    def test_factories_run_per_event(self, cls):
        first, second = cls(path="p", also="a"), cls(path="p", also="a")
        assert first.tags is not second.tags
        assert first.kept is not second.kept
        assert first.key != second.key

    def test_description_alone_means_required(self, api, cls):
        with pytest.raises(api.ValidationError) as caught:
            cls()
        assert [e["loc"] for e in caught.value.errors()] == [("path",), ("also",)]
        assert [e["type"] for e in caught.value.errors()] == ["missing", "missing"]

    def test_descriptions_and_factories_are_readable(self, cls):
        fields = cls.model_fields
        assert fields["path"].description == "Where"
        assert fields["note"].description == "Why"
        assert fields["size"].description == "Bytes"
        assert fields["size"].annotation is int
        assert fields["tags"].default_factory is list
        assert fields["size"].default == 5

    def test_values_are_validated(self, api, cls):
        assert cls(path="p", also="a", size="7").size == 7
        with pytest.raises(api.ValidationError):
            cls(path="p", also="a", tags=[1])


class TestGenerics:
    SOURCE = """
        from typing import Generic, TypeVar, Optional
        from onex_events import Event, CreatedEvent

        T = TypeVar("T")

        class Doc:
            pass

        class X(Event[T], Generic[T]):
            type: str = "x"
            note: str = ""

        class Y(Event[Doc]):
            type: str = "y"

        class Z(X[Doc]):
            size: int = 0

        class Made(CreatedEvent[Doc]):
            pass
    """

    @pytest.fixture
    def module(self, user_module):
        return user_module(self.SOURCE)

    def test_generic_subclass(self, module):
        assert module.X(note="n").note == "n"
        assert module.X[module.Doc](note="n").note == "n"
        assert isinstance(module.X[int](), module.X)

    def test_subclass_of_a_parametrised_base(self, api, module):
        assert module.Y().type == "y"
        assert isinstance(module.Y(), api.Event)
        assert module.Z(size="3").size == 3
        assert isinstance(module.Z(), module.X)
        assert issubclass(module.Made, api.CreatedEvent)
        assert module.Made().type == "created"

    def test_parametrised_class_is_callable(self, api, module):
        event = api.Event[module.Doc](type="x", subject_type=module.Doc, subject_id=UUID(int=1))
        assert isinstance(event, api.Event)
        assert event.subject_type is module.Doc

    def test_parametrised_class_validates(self, api, module):
        with pytest.raises(api.ValidationError):
            api.Event[module.Doc]()

    def test_a_value_of_the_type_variable(self, api, user_module):
        module = user_module("""
            from typing import Generic, TypeVar
            from onex_events import Event

            T = TypeVar("T")

            class Loaded(Event[T], Generic[T]):
                type: str = "loaded"
                value: T
        """)
        assert module.Loaded(value="any").value == "any"
        marker = object()
        assert module.Loaded(value=marker).value is marker
        assert module.Loaded[int](value="3").value == 3
        with pytest.raises(api.ValidationError):
            module.Loaded[int](value="three")

    def test_pep_695_class(self, api, python_3_12, user_module):
        module = user_module("""
            from onex_events import Event

            type Name = str

            class Loaded[T](Event[T]):
                type: str = "loaded"
                note: Name = "n"
                sizes: list[int] = []
        """)
        assert module.Loaded(sizes=["1"]).sizes == [1]
        assert isinstance(module.Loaded[int](), module.Loaded)
        with pytest.raises(api.ValidationError):
            module.Loaded(note=3)


class TestOverriding:
    def test_defaults_and_types_of_base_fields(self, api, user_module):
        module = user_module("""
            from onex_events import Event, EventPhase

            class Saved(Event):
                type: str = "saved"
                phase: EventPhase = EventPhase.STARTED
                duration_ms: float = 0.0
                error: str = "none"
        """)
        event = module.Saved()
        assert event.type == "saved"
        assert event.phase is api.EventPhase.STARTED
        assert event.duration_ms == 0.0 and type(event.duration_ms) is float
        assert event.error == "none"
        with pytest.raises(api.ValidationError):
            module.Saved(duration_ms=None)

    def test_base_field_may_get_another_type(self, api):
        class X(api.Event):
            type: str = "x"
            metadata: list = []

        assert X().metadata == []
        assert X(metadata=[1]).metadata == [1]

    def test_base_field_may_become_required(self, api):
        class X(api.Event):
            type: str = "x"
            error: str

        with pytest.raises(api.ValidationError):
            X()

    def test_base_field_may_get_a_factory(self, api):
        class X(api.Event):
            type: str = "x"
            metadata: dict = api.Field(default_factory=lambda: {"made": True})

        assert X().metadata == {"made": True}

    def test_literal_type(self, api, user_module):
        module = user_module("""
            from typing import Literal
            from onex_events import Event

            class X(Event):
                type: Literal["a", "b"] = "a"
        """)
        assert module.X(type="b").type == "b"
        with pytest.raises(api.ValidationError):
            module.X(type="c")

    def test_given_type_beats_the_default(self, api):
        class X(api.Event):
            type: str = "x"

        assert X(type="y").type == "y"


class TestModelConfig:
    @pytest.mark.parametrize("style", ["dict", "ConfigDict"])
    def test_extra_forbid(self, api, user_module, style):
        config = "ConfigDict(extra='forbid')" if style == "ConfigDict" else "{'extra': 'forbid'}"
        module = user_module(f"""
            from pydantic import ConfigDict
            from onex_events import Event

            class X(Event):
                model_config = {config}
                type: str = "x"
        """)
        with pytest.raises(api.ValidationError) as caught:
            module.X(surprise=1, other=2)
        assert [(e["type"], e["loc"]) for e in caught.value.errors()] == [
            ("extra_forbidden", ("surprise",)),
            ("extra_forbidden", ("other",)),
        ]
        assert module.X().type == "x"

    def test_extra_allow(self, api):
        class X(api.Event):
            model_config = {"extra": "allow"}
            type: str = "x"

        event = X(surprise=1)
        assert event.surprise == 1
        assert event.model_dump()["surprise"] == 1
        assert X(surprise=1) != event  # another id
        assert event.model_copy().surprise == 1
        event.another = 2
        assert event.another == 2

    def test_extra_is_inherited(self, api):
        class Strict(api.Event):
            model_config = {"extra": "forbid"}
            type: str = "x"

        class Sub(Strict):
            own: int = 1

        with pytest.raises(api.ValidationError):
            Sub(surprise=1)

    def test_extra_ignore_can_be_restored(self, api):
        class Strict(api.Event):
            model_config = {"extra": "forbid"}
            type: str = "x"

        class Loose(Strict):
            model_config = {"extra": "ignore"}

        assert not hasattr(Loose(surprise=1), "surprise")

    def test_other_settings_are_accepted(self, api, user_module):
        module = user_module("""
            from onex_events import Event

            class X(Event):
                model_config = {"arbitrary_types_allowed": True, "title": "An X"}
                type: str = "x"
        """)
        assert module.X().type == "x"
        assert "model_config" not in module.X.model_fields


class TestBodies:
    def test_init_that_takes_data(self, user_module):
        module = user_module("""
            from onex_events import Event

            class X(Event):
                type: str = "x"
                path: str
                depth: int = 0

                def __init__(self, **data):
                    data.setdefault("path", "/")
                    super().__init__(**data)
                    self.depth = self.path.count("/")
        """)
        assert module.X().path == "/"
        event = module.X(path="/a/b")
        assert event.depth == 2
        assert event.evolve().path == "/a/b"

    def test_init_with_positional_parameters(self, api, user_module):
        module = user_module("""
            from onex_events import Event

            class X(Event):
                type: str = "x"
                path: str

                def __init__(self, path, **data):
                    super().__init__(path=path, **data)
        """)
        assert module.X("p").path == "p"
        assert module.X("p", error="e").error == "e"
        with pytest.raises(api.ValidationError):
            module.X(3)

    def test_inherited_init_override(self, user_module):
        module = user_module("""
            from onex_events import Event

            class X(Event):
                type: str = "x"
                calls: int = 0

                def __init__(self, **data):
                    super().__init__(**data)
                    self.calls += 1

            class Y(X):
                pass
        """)
        assert module.Y().calls == 1

    def test_new_override(self, user_module):
        module = user_module("""
            from onex_events import Event

            made = []

            class X(Event):
                type: str = "x"

                def __new__(cls, **data):
                    made.append(data)
                    return super().__new__(cls)
        """)
        assert module.X(error="e").error == "e"
        assert module.made == [{"error": "e"}]

    def test_methods_properties_and_class_methods(self, user_module):
        module = user_module("""
            from onex_events import Event

            class X(Event):
                type: str = "x"
                size: int = 0

                @property
                def double(self):
                    return self.size * 2

                @double.setter
                def double(self, value):
                    self.size = value // 2

                @classmethod
                def of(cls, size):
                    return cls(size=size)

                @staticmethod
                def unit():
                    return "bytes"

                def describe(self):
                    return f"{self.size} {self.unit()}"
        """)
        event = module.X.of(3)
        assert type(event) is module.X
        assert event.double == 6 and event.describe() == "3 bytes"
        event.double = 10
        assert event.size == 5
        assert "double" not in module.X.model_fields

    def test_super_in_methods(self, user_module):
        module = user_module("""
            from onex_events import Event

            class X(Event):
                type: str = "x"

                def to_completed(self, **kw):
                    return super().to_completed(metadata={"by": __class__.__name__}, **kw)
        """)
        event = module.X().to_completed()
        assert event.metadata == {"by": "X"}

    def test_docstring_module_and_qualname(self, user_module):
        module = user_module('''
            from onex_events import Event

            class Outer:
                class X(Event):
                    """An X."""
                    type: str = "x"
        ''')
        cls = module.Outer.X
        assert cls.__doc__ == "An X."
        assert cls.__module__ == module.__name__
        assert cls.__qualname__ == "Outer.X"

    def test_init_subclass_and_set_name(self, user_module):
        module = user_module(
            """
            from onex_events import Event

            class Named:
                def __set_name__(self, owner, name):
                    self.name = name
                def __get__(self, instance, owner=None):
                    return self.name

            subclasses = []

            class X(Event):
                type: str = "x"
                marker = Named()

                def __init_subclass__(cls, **kw):
                    super().__init_subclass__(**kw)
                    subclasses.append(cls.__name__)

            class Y(X):
                pass
        """.replace("marker = Named()", "marker: __import__('typing').ClassVar = Named()")
        )
        assert module.subclasses == ["Y"]
        assert module.Y().marker == "marker"

    def test_private_attributes(self, user_module):
        module = user_module("""
            from onex_events import Event

            class X(Event):
                type: str = "x"
                _seen: int = 0

                def see(self):
                    self._seen += 1
                    return self._seen
        """)
        first, second = module.X(), module.X()
        assert (first.see(), first.see(), second.see()) == (1, 2, 1)
        assert "_seen" not in module.X.model_fields
        assert "_seen" not in first.model_dump()

    def test_event_may_be_weakly_referenced(self, api):
        import weakref

        event = api.Event(type="x")
        assert weakref.ref(event)() is event


class TestAnnotations:
    def test_postponed(self, api, user_module):
        module = user_module("""
            from __future__ import annotations
            from datetime import datetime
            from typing import ClassVar, List, Optional
            from onex_events import Event

            class X(Event):
                type: str = "x"
                when: Optional[datetime] = None
                sizes: List[int] = []
                limit: ClassVar[int] = 3
                maybe: int | None = None
        """)
        event = module.X(when="2024-01-02T03:04:05", sizes=("1", 2), maybe="4")
        assert event.when == datetime(2024, 1, 2, 3, 4, 5)
        assert event.sizes == [1, 2] and event.maybe == 4
        assert "limit" not in module.X.model_fields
        assert module.X.model_fields["when"].annotation is not None
        with pytest.raises(api.ValidationError):
            module.X(sizes=["x"])

    def test_postponed_naming_itself(self, user_module):
        module = user_module("""
            from __future__ import annotations
            from typing import Optional
            from onex_events import Event

            class Node(Event):
                type: str = "node"
                previous: Optional[Node] = None
        """)
        first = module.Node()
        second = module.Node(previous=first)
        assert second.previous is first

    def test_postponed_naming_a_later_class(self, api, user_module):
        module = user_module("""
            from __future__ import annotations
            from onex_events import Event

            class Early(Event):
                type: str = "early"
                later: Later | None = None

            class Later(Event):
                type: str = "later"
        """)
        later = module.Later()
        assert module.Early(later=later).later is later
        with pytest.raises(api.ValidationError):
            module.Early(later=3)

    def test_string_annotation(self, user_module):
        module = user_module("""
            from onex_events import Event

            class X(Event):
                type: str = "x"
                size: "int" = 0
        """)
        assert module.X(size="5").size == 5

    def test_postponed_in_a_function(self, user_module):
        module = user_module("""
            from __future__ import annotations
            from enum import Enum
            from onex_events import Event

            def make():
                class Size(Enum):
                    BIG = "big"

                class X(Event):
                    type: str = "x"
                    size: Size

                return X, Size
        """)
        cls, size = module.make()
        assert cls(size="big").size is size.BIG

    def test_deferred_annotations_of_3_14(self, python_3_14, user_module):
        module = user_module("""
            from onex_events import Event

            class Early(Event):
                type: str = "early"
                later: Later | None = None

            class Later(Event):
                type: str = "later"
        """)
        later = module.Later()
        assert module.Early(later=later).later is later

    def test_bad_annotation_fails_the_class_or_its_first_use(self, api, user_module):
        with pytest.raises(Exception, match="NoSuchName"):
            user_module("""
                from __future__ import annotations
                from onex_events import Event

                class X(Event):
                    type: str = "x"
                    bad: NoSuchName

                X(bad=1)
            """)


class TestPydanticExtras:
    """What the table lacks is handed to pydantic.TypeAdapter."""

    def test_constraint(self, api, user_module):
        module = user_module("""
            from typing import Annotated
            from pydantic import Field
            from onex_events import Event

            class X(Event):
                type: str = "x"
                size: int = Field(default=1, gt=0)
                ratio: Annotated[float, Field(ge=0, le=1)] = 0.5
                code: str = Field(default="ab", min_length=2, pattern="^[a-z]+$")
        """)
        event = module.X(size="3", ratio="0.25", code="xyz")
        assert (event.size, event.ratio, event.code) == (3, 0.25, "xyz")
        with pytest.raises(api.ValidationError) as caught:
            module.X(size=0, ratio=2, code="A")
        assert [(e["type"], e["loc"]) for e in caught.value.errors()] == [
            ("greater_than", ("size",)),
            ("less_than_equal", ("ratio",)),
            ("string_too_short", ("code",)),
        ]

    def test_constraint_of_onex_events_field(self, api):
        class X(api.Event):
            type: str = "x"
            size: int = api.Field(default=1, gt=0)

        assert X(size=2).size == 2
        with pytest.raises(api.ValidationError):
            X(size=0)

    def test_annotated_validators(self, api, user_module):
        module = user_module("""
            from typing import Annotated
            from pydantic import AfterValidator, BeforeValidator
            from onex_events import Event

            class X(Event):
                type: str = "x"
                name: Annotated[str, AfterValidator(str.upper)] = "n"
                size: Annotated[int, BeforeValidator(len)] = 0
        """)
        event = module.X(name="abc", size=[1, 2, 3])
        assert (event.name, event.size) == ("ABC", 3)

    def test_pydantic_model_as_a_field(self, api, user_module):
        module = user_module("""
            from typing import List
            from pydantic import BaseModel
            from onex_events import Event

            class Point(BaseModel):
                x: int
                y: int = 0

            class Moved(Event):
                type: str = "moved"
                to: Point
                path: List[Point] = []
        """)
        event = module.Moved(to={"x": "1"}, path=[{"x": 2, "y": 3}])
        assert isinstance(event.to, module.Point)
        assert (event.to.x, event.path[0].y) == (1, 3)
        assert event.model_dump(include={"to"}) == {"to": {"x": 1, "y": 0}}
        with pytest.raises(api.ValidationError) as caught:
            module.Moved(to={"x": "one"})
        assert caught.value.errors()[0]["loc"] == ("to", "x")

    def test_event_parametrised_by_a_pydantic_model(self, user_module):
        module = user_module("""
            from pydantic import BaseModel
            from onex_events import Event

            class Point(BaseModel):
                x: int

            class Moved(Event[Point]):
                type: str = "moved"
        """)
        event = module.Moved(subject_type=module.Point, subject_id=UUID(int=4))
        assert event.subject_type is module.Point


class TestInterop:
    def test_event_as_a_field_of_a_pydantic_model(self, api):
        pydantic = pytest.importorskip("pydantic")

        class Holder(pydantic.BaseModel):
            event: api.Event
            made: api.CreatedEvent | None = None

        event = api.Event(type="x")
        holder = Holder(event=event)
        assert holder.event is event
        from_dict = Holder(event={"type": "y"}, made={"created_id": str(UUID(int=5))})
        assert isinstance(from_dict.event, api.Event) and from_dict.event.type == "y"
        assert from_dict.made.created_id == UUID(int=5)
        with pytest.raises(pydantic.ValidationError):
            Holder(event={"phase": "pending"})

    def test_model_with_an_event_dumps_and_reads_back(self, api):
        pydantic = pytest.importorskip("pydantic")

        class Holder(pydantic.BaseModel):
            event: api.CreatedEvent

        holder = Holder(event=api.CreatedEvent(created_id=UUID(int=5)))
        text = holder.model_dump_json()
        again = Holder.model_validate_json(text)
        assert again.event == holder.event
        assert holder.model_dump()["event"] == holder.event.model_dump()

    def test_model_with_an_event_has_a_json_schema(self, api):
        pydantic = pytest.importorskip("pydantic")

        class Holder(pydantic.BaseModel):
            event: api.CreatedEvent

        assert "created_id" in str(Holder.model_json_schema())

    def test_type_adapter(self, api):
        pydantic = pytest.importorskip("pydantic")
        adapter = pydantic.TypeAdapter(list[api.CreatedEvent])
        (event,) = adapter.validate_python([{"created_id": str(UUID(int=1))}])
        assert type(event) is api.CreatedEvent
        assert adapter.validate_python([event])[0] is event
