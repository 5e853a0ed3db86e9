import http.server
import io
import socket
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from s2s_zoo.data import image_files, images, read_image
from s2s_zoo.data.images import resized
from s2s_zoo.protocol.errors import DataError

RED, GREEN = (200, 10, 10), (10, 200, 10)


def two_halves(size=(40, 20), left=RED, right=GREEN):
    """A picture (width, height), red on the left and green on the right."""
    image = Image.new("RGB", size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


def as_bytes(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def corners(image):
    """The colours near the left and the right edge."""
    pixels = np.asarray(image).astype(int)
    middle = pixels.shape[0] // 2
    return pixels[middle, 1], pixels[middle, -2]


def assert_two_halves(image, tolerance=12):
    for found, wanted in zip(corners(image), (RED, GREEN), strict=True):
        np.testing.assert_allclose(found, wanted, atol=tolerance)


def test_every_way_to_give_an_image_gives_the_same(tmp_path):
    image = two_halves()
    path = tmp_path / "a.png"
    image.save(path)
    array = np.asarray(image)
    wanted = array
    for source in (
        image,
        str(path),
        path,
        path.read_bytes(),
        array,
        array / 255,
        array.astype("uint16") * 257,
        np.dstack([array, np.full(array.shape[:2], 255, "uint8")]),
    ):
        found = read_image(source)
        assert found.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(found), wanted)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
def test_formats(kind):
    assert_two_halves(read_image(as_bytes(two_halves(), kind)), tolerance=30)


def test_cmyk():
    assert_two_halves(read_image(as_bytes(two_halves().convert("CMYK"), "JPEG", quality=95)), 30)


def test_grey_has_three_equal_channels():
    pixels = np.asarray(read_image(as_bytes(Image.new("L", (5, 4), 77))))
    assert pixels.shape == (4, 5, 3) and (pixels == 77).all()
    assert (np.asarray(read_image(np.full((4, 5), 77, "uint8"))) == 77).all()
    assert (np.asarray(read_image(np.full((4, 5, 1), 77, "uint8"))) == 77).all()


def test_sixteen_bits_become_eight():
    grey = Image.fromarray(np.full((4, 5), 77 * 256, "uint16"))
    assert (np.asarray(read_image(as_bytes(grey))) == 77).all()


def test_transparency_lies_on_white():
    image = two_halves().convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    assert (np.asarray(read_image(as_bytes(image))) == 255).all()
    palette = as_bytes(two_halves().convert("P"), transparency=0)
    assert np.asarray(read_image(palette)).shape == (20, 40, 3)


def test_of_an_animation_the_first_picture_counts():
    frames = [two_halves(), Image.new("RGB", (40, 20), "blue")]
    data = as_bytes(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert_two_halves(read_image(data), 30)


def test_the_orientation_of_the_camera_is_honoured():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees to see it upright
    upright = two_halves((40, 20))
    stored = upright.rotate(90, expand=True)
    found = read_image(as_bytes(stored, "JPEG", exif=exif, quality=95))
    assert found.size == (40, 20)
    assert_two_halves(found, 30)


def test_one_pixel_is_enough():
    pixels = resized(read_image(Image.new("RGB", (1, 1), RED)), (8, 6), "stretch")
    assert pixels.shape == (8, 6, 3) and (pixels == RED).all()


def png_header(width, height):
    """A PNG that says it is large and holds next to nothing."""

    def chunk(kind, data):
        crc = zlib.crc32(kind + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + kind + data + crc

    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    header = chunk(b"IHDR", size + bytes([8, 2, 0, 0, 0]))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(12_000, 9_000), (60_000, 60_000)])
def test_decompression_bombs_are_refused_by_their_header(size):
    with pytest.raises(DataError, match="too large for an image"):
        read_image(png_header(*size))


def test_a_device_without_an_end_is_not_read_to_it(monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    with pytest.raises(DataError, match="/dev/zero is too large.*more than 100 bytes"):
        read_image("/dev/zero")


def test_large_files_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    path = tmp_path / "a.bmp"
    two_halves().save(path)
    with pytest.raises(DataError, match="2,454 bytes, where at most 100"):
        read_image(path)


def test_what_is_no_image_is_one_clear_line(tmp_path):
    text = tmp_path / "a.jpg"
    text.write_text("not an image")
    with pytest.raises(DataError, match="a.jpg: not an image of a known format"):
        read_image(text)
    whole = as_bytes(two_halves((400, 300)), "JPEG")
    for data in (whole[: len(whole) // 2], as_bytes(two_halves())[:-30]):
        with pytest.raises(DataError, match="damaged or incomplete"):
            read_image(data)
    with pytest.raises(DataError, match="Check the name"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(DataError, match="cannot be read"):
        read_image(str(tmp_path))
    with pytest.raises(DataError, match="not an image"):
        read_image(b"")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 4, 4, 3), "uint8"), "a batch as a list"),
        (np.zeros((4, 4, 2), "uint8"), "Received: .4, 4, 2"),
        (np.zeros((0, 4, 3), "uint8"), "with pixels"),
        (np.full((4, 4, 3), 3.0), "from 0 to 1"),
        (np.full((4, 4, 3), np.nan), "from 0 to 1"),
        (np.full((4, 4, 3), -1), "uint8"),
        (np.zeros((4, 4, 3), complex), "complex128"),
    ],
)
def test_arrays_that_are_no_images(array, message):
    with pytest.raises(DataError, match=message):
        read_image(array)


def test_other_objects_are_a_type_error():
    with pytest.raises(TypeError, match="Expected an image"):
        read_image(3.5)


def test_postscript_is_not_executed():
    with pytest.raises(DataError, match="not an image of a known format"):
        read_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")


def test_stretch_keeps_the_edges_and_crop_the_proportions():
    image = two_halves((90, 30))
    assert_two_halves(Image.fromarray(resized(image, (30, 30), "stretch")))
    stripes = Image.new("RGB", (90, 30), "blue")
    stripes.paste(RED, (30, 0, 45, 30))
    stripes.paste(GREEN, (45, 0, 60, 30))
    assert_two_halves(Image.fromarray(resized(stripes, (30, 30), "crop")))


def test_a_folder_gives_its_images_in_order(tmp_path):
    with pytest.raises(DataError, match="holds no image"):
        image_files(tmp_path)
    for name in ("b.PNG", "a.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in image_files(tmp_path)] == ["a.jpg", "b.PNG"]


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        try:
            if self.path == "/endless":
                while True:
                    self.wfile.write(bytes(1 << 16))
            self.wfile.write(as_bytes(two_halves()))
        except OSError:
            pass

    def log_message(self, *arguments):
        pass


@pytest.fixture
def address():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_addresses(address, monkeypatch):
    assert_two_halves(read_image(address + "/a.png"))
    with pytest.raises(DataError, match="cannot be read: .*Not Found"):
        read_image(address + "/missing")
    monkeypatch.setattr(images, "MAX_BYTES", 1 << 20)
    with pytest.raises(DataError, match="more than 1,048,576 bytes"):
        read_image(address + "/endless")


def test_an_address_that_never_answers(monkeypatch):
    monkeypatch.setattr(images, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(DataError, match="timed out"):
            read_image(f"http://127.0.0.1:{silent.getsockname()[1]}/a.png")
    with pytest.raises(DataError, match="cannot be read"):
        read_image("http://127.0.0.1:1/a.png")


def test_an_address_that_answers_drop_by_drop(monkeypatch):
    monkeypatch.setattr(images, "TIMEOUT", 0.3)
    stop = threading.Event()

    def serve(server):
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
            while not stop.wait(0.05):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        try:
            with pytest.raises(DataError, match="not complete after 0.3 seconds"):
                read_image(f"http://127.0.0.1:{server.getsockname()[1]}/a.png")
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"])
def test_integers_of_any_kind_are_as_bright_as_bytes(kind):
    array = np.asarray(two_halves()) // (1 if kind != "int8" else 2)
    wanted = np.asarray(read_image(array.astype("uint8")))
    np.testing.assert_array_equal(read_image(array.astype(kind)), wanted)
    grey = array[:, :, 0].astype(kind)
    np.testing.assert_array_equal(read_image(grey), read_image(grey.astype("uint8")))
    if kind not in ("int8", "int16"):
        np.testing.assert_array_equal(read_image(array.astype(kind) * 257), wanted)


def test_pillow_images_of_integers_are_as_bright_as_bytes():
    grey = np.full((4, 5), 200)
    for image in (Image.fromarray(grey.astype("int32")), Image.fromarray(grey.astype("uint16"))):
        assert np.asarray(read_image(image)).max() == 200


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_dark_file_of_16_bits_stays_dark(kind):
    dark = as_bytes(Image.fromarray(np.full((4, 5), 250, "uint16")), kind)
    assert np.asarray(read_image(dark)).max() == 0
    with Image.open(io.BytesIO(dark)) as image:
        assert np.asarray(read_image(image)).max() == 0


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), bool),
        np.zeros((4, 4, 3), complex),
        np.full((4, 4, 3), {}, object),
        np.full((4, 4, 3), -1),
        np.full((4, 4, 3), 65536),
        np.full((4, 4), "a"),
    ],
)
def test_arrays_of_other_numbers_are_refused(array):
    with pytest.raises(DataError, match="other integers to 65535, or of floats"):
        read_image(array)


def test_a_file_that_is_open_is_an_image(tmp_path):
    data = as_bytes(two_halves())
    (tmp_path / "a.png").write_bytes(data)
    with open(tmp_path / "a.png", "rb") as file:
        for source in (file, io.BytesIO(data)):
            assert_two_halves(read_image(source))
    with open(tmp_path / "a.png", encoding="latin-1") as text:
        with pytest.raises(TypeError, match="a.png.* gives str, not bytes. Open it in binary"):
            read_image(text)
    for closed in (file, text):
        with pytest.raises(DataError, match="a.png.* cannot be read.*closed file"):
            read_image(closed)
    with pytest.raises(DataError, match="not an image of a known format"):
        read_image(io.BytesIO(b"no image"))


def test_an_open_file_is_read_no_further_than_may_be(monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    endless = io.BytesIO(bytes(1000))
    with pytest.raises(DataError, match="more than 100 bytes"):
        read_image(endless)
    assert endless.tell() == 101


def test_the_pixels_of_a_file_are_known_before_it_is_decoded(monkeypatch):
    data = as_bytes(two_halves())
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    assert images.pixels_of(data) == 800
    for nothing in (b"", b"no image", data[:20]):
        assert images.pixels_of(nothing) == 0


def test_pages_keep_their_proportions_on_black():
    page = Image.new("RGB", (60, 30), "white")
    found = resized(page, (40, 32), "page")
    rows = found.any(axis=(1, 2))
    assert found.shape == (40, 32, 3) and rows.sum() == 16 and rows[12:28].all()
    turned = resized(page, (40, 32), "turned_page")  # as high as it was wide: 40 x 20
    columns = turned.any(axis=(0, 2))
    assert columns.sum() == 20 and columns[6:26].all()
    marked = page.copy()
    marked.paste("red", (0, 0, 60, 4))  # its top lies on the right then
    assert resized(marked, (40, 32), "turned_page")[20, 25].tolist() == [255, 0, 0]
    for shape in ((1, 900), (900, 1), (1, 1 << 22), (1 << 22, 1)):  # a line takes no memory
        line = Image.new("RGB", shape, "white")
        assert resized(line, (40, 32), "page").any() and resized(line, (32, 32), "middle").all()


def test_the_middle_is_what_a_clip_sees():
    wide = Image.new("RGB", (90, 30), "white")
    wide.paste("black", (30, 0, 60, 30))
    assert not resized(wide, (30, 30), "middle").any()
    assert not resized(wide.resize((180, 60)), (30, 30), "middle")[:, 3:-3].any()
