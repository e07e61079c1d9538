"""Makes ``affine.txt`` and ``warp.nii.gz``: ``python register.py`` (pip install SimpleITK), two or three minutes.

Coordinates are those that the images are served with: the centre of the first voxel is at 0, axes are x, y, z of the
file, no anatomical directions. ITK counts in millimetres. Both files lead from places of the template to places of the
scan, first the field, then the matrix.
"""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk  # noqa: N813 - as its documentation has it

HERE = Path(__file__).parent
SPACING = 4.0
"""Millimetres between the vectors of the field."""


def volume(name: str) -> sitk.Image:
    """A volume with voxels of 1 mm, as floats."""
    image = sitk.ReadImage(str(HERE / name), sitk.sitkFloat32)
    return sitk.GetImageFromArray(sitk.GetArrayFromImage(image))


def method(shrink: list[int]) -> sitk.ImageRegistrationMethod:
    """What both stages share: mutual information, since the two are of different contrast."""
    made = sitk.ImageRegistrationMethod()
    made.SetMetricAsMattesMutualInformation(32)
    made.SetMetricSamplingStrategy(made.REGULAR)
    made.SetMetricSamplingPercentage(0.1)
    made.SetInterpolator(sitk.sitkLinear)
    made.SetShrinkFactorsPerLevel(shrink)
    made.SetSmoothingSigmasPerLevel([s / 2 for s in shrink])
    return made


def main() -> None:
    """Register, write both files, say how alike the volumes were before and after."""
    fixed, moving = volume("template.ome.tif"), volume("flair.ome.tif")
    moments = sitk.CenteredTransformInitializerFilter.MOMENTS
    affine = sitk.AffineTransform(sitk.CenteredTransformInitializer(fixed, moving, sitk.AffineTransform(3), moments))
    stage = method([6, 4, 2])
    stage.SetOptimizerAsGradientDescent(1.0, 200, 1e-6, 10)
    stage.SetOptimizerScalesFromPhysicalShift()
    stage.SetInitialTransform(affine, inPlace=True)
    stage.Execute(fixed, moving)
    print("affine", stage.GetMetricValue())

    spline = sitk.BSplineTransformInitializer(fixed, [8, 10, 8])
    stage = method([4, 2])
    stage.SetMovingInitialTransform(affine)
    stage.SetOptimizerAsLBFGSB(numberOfIterations=40)
    stage.SetInitialTransform(spline, inPlace=True)
    stage.Execute(fixed, moving)
    print("field", stage.GetMetricValue())

    size = [int(n / SPACING) + 2 for n in fixed.GetSize()]
    field = sitk.TransformToDisplacementField(spline, sitk.sitkVectorFloat32, size, outputSpacing=[SPACING] * 3)
    sitk.WriteTransform(affine, str(HERE / "affine.txt"))
    sitk.WriteImage(field, str(HERE / "warp.nii.gz"))


if __name__ == "__main__":
    main()
