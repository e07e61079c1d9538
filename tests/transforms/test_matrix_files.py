"""Files of linear transforms: SimpleITK writes and maps points, we read."""

from __future__ import annotations

import os

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - as its documentation has it
from scipy import io

from s3facade.core.errors import BadSource, SourceDenied, SourceNotFound, Unsupported
from s3facade.core.image import sources
from s3facade.testing import in_memory, whole
from s3facade.transforms.resampling.affine import Affine
from s3facade.transforms.resampling.onto import Counts, Lengths, Onto, Positions
from s3facade.transforms.resampling.parameters.files import read_linear
from s3facade.transforms.resampling.parameters.flirt import Flirt, Volume

RNG = np.random.default_rng(3)
INSIGHT = b"#Insight Transform File V1.0\n"


def euler3(*, zyx):
    t = sitk.Euler3DTransform((1.0, 2.0, -3.0), 0.3, -0.2, 0.5, (4.0, 5.0, -6.0))
    t.SetComputeZYX(zyx)
    return t


def composite():
    t = sitk.CompositeTransform(3)
    t.AddTransform(euler3(zyx=False))
    t.AddTransform(sitk.AffineTransform((1, 0.1, 0, 0, 1.2, 0, 0.3, 0, 0.8), (1, 2, 3), (9, 8, 7)))
    t.AddTransform(sitk.TranslationTransform(3, (0.5, 0.25, 0.125)))
    return t


TRANSFORMS = {
    "affine 3": sitk.AffineTransform((1, 0.1, 0, 0, 1.2, 0, 0.3, 0, 0.8), (1, 2, 3), (9, 8, 7)),
    "affine 2": sitk.AffineTransform((1, 0.1, -0.2, 1.3), (1, 2), (9, 8)),
    "euler 2": sitk.Euler2DTransform((3, 4), 0.4, (5, 6)),
    "euler 3": euler3(zyx=False),
    "euler 3 zyx": euler3(zyx=True),
    "similarity 2": sitk.Similarity2DTransform(1.3, 0.2, (1, 2), (3, 4)),
    "similarity 3": sitk.Similarity3DTransform(0.8, (0.1, 0.2, 0.3, 0.9), (1, 2, 3), (4, 5, 6)),
    "versor": sitk.VersorTransform((0.1, -0.2, 0.3, 0.9), (1, 2, 3)),
    "versor rigid": sitk.VersorRigid3DTransform((0.1, -0.2, 0.3, 0.9), (1, 2, 3), (4, 5, 6)),
    "translation 2": sitk.TranslationTransform(2, (1.5, -2.5)),
    "scale 3": sitk.ScaleTransform(3, (1.1, 0.9, 1.3)),
    "composite": composite(),
    "identity": sitk.Transform(3, sitk.sitkIdentity),
}


@pytest.mark.parametrize("suffix", ["txt", "tfm", "mat", "h5"])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_itk_maps_points_alike(tmp_path, name, suffix):
    transform = TRANSFORMS[name]
    path = str(tmp_path / f"t.{suffix}")
    sitk.WriteTransform(transform, path)
    if name == "composite" and suffix == "mat":
        with pytest.raises(Unsupported, match="nothing composes"):
            read_linear(path)
        return
    found = read_linear(path)
    assert found.kind == "itk"
    rows = np.array(found.rows)
    for point in RNG.normal(size=(5, transform.GetDimension())) * 50:
        np.testing.assert_allclose(rows[:, :-1] @ point + rows[:, -1], transform.TransformPoint(point), atol=1e-9)


def test_ants_affine(tmp_path):
    """As antsRegistration writes 0GenericAffine.mat: single or double precision, a class of its own."""
    parameters, fixed = np.arange(12.0)[:, None] / 10 + 1, np.array([[5.0], [6.0], [7.0]])
    io.savemat(tmp_path / "0.mat", {"MatrixOffsetTransformBase_double_3_3": parameters, "fixed": fixed}, format="4")
    reference = sitk.AffineTransform(parameters[:9, 0].tolist(), parameters[9:, 0].tolist(), fixed[:, 0].tolist())
    rows = np.array(read_linear(str(tmp_path / "0.mat")).rows)
    np.testing.assert_allclose(rows[:, :3] @ [1, 2, 3] + rows[:, 3], reference.TransformPoint((1, 2, 3)))


ELASTIX = """// an example
(Transform "{kind}")
(NumberOfParameters {count})
(TransformParameters {parameters})
(InitialTransformParametersFileName "{before}")
(HowToCombineTransforms "Compose")
(FixedImageDimension {n})
(CenterOfRotationPoint {center})
(ComputeZYX "{zyx}")
"""


@pytest.mark.parametrize(
    ("kind", "like"),
    [
        ("AffineTransform", "affine 3"), ("AffineTransform", "affine 2"), ("EulerTransform", "euler 2"),
        ("EulerTransform", "euler 3"), ("EulerTransform", "euler 3 zyx"), ("SimilarityTransform", "similarity 2"),
        ("SimilarityTransform", "similarity 3"), ("TranslationTransform", "translation 2"),
    ],
)  # fmt: skip
def test_elastix(tmp_path, kind, like):
    transform = TRANSFORMS[like]
    n = transform.GetDimension()
    first = tmp_path / "TransformParameters.0.txt"
    center = transform.GetFixedParameters()[:n] or (0,) * n
    text = ELASTIX.format(
        kind=kind, count=len(transform.GetParameters()), parameters=" ".join(map(repr, transform.GetParameters())),
        before="NoInitialTransform", n=n, center=" ".join(map(str, center)), zyx=str("zyx" in like).lower(),
    )  # fmt: skip
    first.write_text(text)
    found = read_linear(str(first))
    assert found.kind == "elastix"
    rows = np.array(found.rows)
    point = RNG.normal(size=n) * 50
    np.testing.assert_allclose(rows[:, :-1] @ point + rows[:, -1], transform.TransformPoint(point))
    second = tmp_path / "TransformParameters.1.txt"
    second.write_text(text.replace("NoInitialTransform", "/somewhere/else/TransformParameters.0.txt"))
    twice = read_linear(str(second))
    assert len(twice.sources) == 2
    rows = np.array(twice.rows)
    expected = transform.TransformPoint(transform.TransformPoint(point))
    np.testing.assert_allclose(rows[:, :-1] @ point + rows[:, -1], expected)


def test_numpy_and_text(tmp_path):
    matrix = np.array([[1, 0.1, 3], [0.2, 1, 4], [0, 0, 1]])
    np.save(tmp_path / "a.npy", matrix)
    np.savetxt(tmp_path / "a.txt", matrix, header="y x")
    np.savetxt(tmp_path / "b.txt", matrix[:2], delimiter=",")
    image = in_memory(RNG.random((20, 30)), units=True)
    expected = whole(Affine(tuple(map(tuple, matrix[:2].tolist()))).build(image))
    for name in ("a.npy", "a.txt", "b.txt"):
        made = Affine(str(tmp_path / name)).build(image)
        np.testing.assert_array_equal(whole(made), expected)
        assert next(s.path for s in sources(made)) == str(tmp_path / name)


def test_files_are_in_millimetres_and_change_identities(tmp_path):
    array = RNG.random((20, 30))
    image = in_memory(array, scale=(1000.0, 1000.0), units=True)
    path = str(tmp_path / "t.txt")
    sitk.WriteTransform(sitk.TranslationTransform(2, (2.0, 3.0)), path)
    first = Affine(path).build(image)
    np.testing.assert_array_equal(whole(first)[:17, :28], array[3:, 2:])
    sitk.WriteTransform(sitk.TranslationTransform(2, (12.0, 3.0)), path)
    second = Affine(path).build(image)
    assert first.spec.identity != second.spec.identity
    np.testing.assert_array_equal(whole(second)[:17, :18], array[3:, 12:])
    in_um = Affine(path, unit="um").build(image)
    np.testing.assert_allclose(whole(in_um)[:-1, :-1], array[:-1, :-1], atol=0.05)


def test_flirt(tmp_path):
    """Against the definition: millimetres from voxel 0, x from the far end in neurological volumes."""
    matrix = np.array([[0.9, 0.2, 0, 1], [-0.1, 1.1, 0.1, -2], [0, 0.05, 1, 0.5], [0, 0, 0, 1]])
    np.savetxt(tmp_path / "a.mat", matrix)
    array = RNG.random((10, 12, 14))
    image = in_memory(array, scale=(2000.0, 1000.0, 500.0), origin=(7.0, 8.0, 9.0), units=True)
    onto = Onto(Lengths(1000.0, 1000.0, 1000.0), Counts(9, 10, 11), Positions(100.0, 200.0, 300.0))
    for neurological in ((), ("input",), ("reference",), ("input", "reference")):
        made = Affine(str(tmp_path / "a.mat"), fsl=Flirt(neurological), onto=onto, method="nearest").build(image)
        back = np.linalg.inv(matrix)
        k, j, i = np.indices((11, 10, 9))
        x = (8 - i if "reference" in neurological else i) * 1.0
        p = np.einsum("ab,b...->a...", back, np.stack([x, j * 1.0, k * 1.0, np.ones_like(x)]))
        si, sj, sk = p[0] / 0.5, p[1] / 1.0, p[2] / 2.0
        si = 13 - si if "input" in neurological else si
        on = (si >= -0.5) & (si < 13.5) & (sj >= -0.5) & (sj < 11.5) & (sk >= -0.5) & (sk < 9.5)
        index = [np.clip(np.floor(s + 0.5), 0, n - 1).astype(int) for s, n in ((sk, 10), (sj, 12), (si, 14))]
        expected = np.where(on, array[tuple(index)], 0)
        assert (whole(made) != expected).mean() < 5e-3
    with pytest.raises(Unsupported, match="neurological"):
        Affine(str(tmp_path / "a.mat")).build(image)
    coarse = Volume(Lengths(1000.0, 1000.0, 2000.0))
    assert whole(Affine(str(tmp_path / "a.mat"), fsl=Flirt((), input=coarse), onto=onto).build(image)).any()


@pytest.mark.parametrize(
    ("name", "data", "error", "told"),
    [
        ("a.txt", INSIGHT + b"Transform: BSplineTransform_double_3_3\nParameters: 1\nFixedParameters: 1\n",
         Unsupported, "BSplineTransform"),
        ("a.txt", INSIGHT + b"Transform: AffineTransform_double_3_3\nParameters: 1 2\nFixedParameters: 0\n",
         BadSource, "2 parameters"),
        ("a.txt", INSIGHT + b"Transform: AffineTransform_double_2_2\nParameters: a b\nFixedParameters: 0\n",
         BadSource, "numbers"),
        ("a.txt", INSIGHT, BadSource, "no transform"),
        ("a.txt", b"hello", Unsupported, "no known kind"),
        ("a.txt", b"1 2 3\n4 5\n", BadSource, "differ in length"),
        ("a.npy", b"\x93NUMPY\x01\x00", BadSource, "cannot be read"),
        ("a.h5", b"\x89HDF\r\n\x1a\n123", BadSource, "cannot be read"),
        ("a.txt", b'(Transform "BSplineTransform")\n(TransformParameters 1)\n(FixedImageDimension 3)\n',
         Unsupported, "-def all"),
        ("a.txt", b'(Transform "AffineTransform")\n(TransformParameters 1)\n', BadSource, "FixedImageDimension"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(tmp_path, name, data, error, told):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(error, match=told) as caught:
        read_linear(str(tmp_path / name))
    assert str(tmp_path) not in caught.value.public


def test_cut_off_matlab_files_are_refused(tmp_path):
    path = tmp_path / "t.mat"
    sitk.WriteTransform(TRANSFORMS["affine 3"], str(path))
    data = path.read_bytes()
    for stop in (30, 60, len(data) - 1):
        path.write_bytes(data[:stop])
        with pytest.raises(BadSource):
            read_linear(str(path))


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(SourceNotFound):
        Affine(str(tmp_path / "none.txt")).build(in_memory(np.zeros((4, 4)), units=True))


def test_devices_and_pipes_are_not_read(tmp_path):
    """They might never end."""
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", str(tmp_path / "pipe")):
        with pytest.raises(SourceDenied, match="name a file"):
            Affine(path).build(in_memory(np.zeros((4, 4), np.uint8), units=True))
