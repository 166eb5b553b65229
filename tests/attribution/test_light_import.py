import subprocess
import sys


def test_the_package_loads_nothing_heavy_before_it_is_used():
    heavy = {"torch", "captum", "cv2", "scipy", "numpy"}
    code = f"import sys, inpaint_lens.attribution; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_path_integral_needs_no_captum():
    code = "import sys; from inpaint_lens.attribution import explain; assert 'captum' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
