from s3facade.core import errors
from s3facade.s3.codes import CODES, INTERNAL, code


def leaves(kind):
    """Kinds that are raised: those with none below them, and one that is raised beside its special case."""
    below = kind.__subclasses__()
    own = {kind} if not below or kind is errors.Unsupported else set()
    return own.union(*(leaves(k) for k in below))


def test_every_kind_that_is_raised_once():
    wanted = leaves(errors.RequestError) | leaves(errors.SourceError) | leaves(errors.LoadError)
    assert {k for k in CODES if k.__module__ == errors.__name__} == {
        k for k in wanted if k.__module__ == errors.__name__
    }


def test_unreadable_is_never_absent():
    for kind, (_, status) in CODES.items():
        if issubclass(kind, errors.SourceError | errors.LoadError):
            assert status in (500, 503)


def test_anything_else_is_internal():
    assert code(ValueError()) == INTERNAL
    assert code(errors.FacadeError("x")) == INTERNAL
