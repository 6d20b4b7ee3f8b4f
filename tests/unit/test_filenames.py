"""Names of uploaded files, as the clients of many languages write them into a form."""

from __future__ import annotations

import pytest

from services.core.library.files import short_name
from services.rest.filenames import filename_of, parameters


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ('filename="clip.mp4"', "clip.mp4"),
        ("filename=clip.mp4", "clip.mp4"),
        ('filename="say %22hi%22 now.mp4"', 'say "hi" now.mp4'),
        ('filename="two%0Alines.mp4"', "two\nlines.mp4"),
        ('filename="cr%0D%0Alf.mp4"', "cr\r\nlf.mp4"),
        ('filename="100%25 %2F %0d %ZZ.mp4"', "100%25 %2F %0d %ZZ.mp4"),  # none of the three escapes
        (r'filename="say \"hi\".mp4"', 'say "hi".mp4'),
        (r'filename="back\\slash.mp4"', r"back\slash.mp4"),
        (r'filename="plain\slash.mp4"', r"plain\slash.mp4"),
        ('filename="a; b=c.mp4"', "a; b=c.mp4"),
        ('filename="é 日本.mp4"', "é 日本.mp4"),
        ("filename*=UTF-8''%e2%82%ac%20rates.mp4", "€ rates.mp4"),
        ("filename*=iso-8859-1'en'%A3.mp4", "£.mp4"),
        ("filename=\"old.mp4\"; filename*=UTF-8''new%C3%A9.mp4", "newé.mp4"),
        ("filename*=utf-8''%22q%22.mp4; filename=x", '"q".mp4'),
        ("filename*=klingon''x.mp4; filename=x.mp4", "x.mp4"),
        ("filename*=no-quotes; filename=x.mp4", "x.mp4"),
        ("filename*=utf-8''%FF%FE.mp4; filename=x.mp4", "x.mp4"),
        ('filename="=?utf-8?B?4oKsLm1wNA==?="', "€.mp4"),
        ('filename="=?utf-8?Q?na=C3=AFve.mp4?="', "naïve.mp4"),
        ("filename=\"=?utf-8?B?4oKsLm1wNA==?=\"; filename*=utf-8''%E2%82%AC.mp4", "€.mp4"),
        ('filename="=?klingon?B?AAAA?="', "=?klingon?B?AAAA?="),
        ('filename="=?what?.mp4"', "=?what?.mp4"),
        (r'filename="C:\videos\clip.mp4"', "clip.mp4"),
        ('FileName="clip.mp4"', "clip.mp4"),
        ('filename=""', ""),
        ("", ""),
    ],
)
def test_a_name_arrives_as_it_was(written: str, name: str):
    given = parameters(f'form-data; name="file"; {written}'.encode())
    assert given["name"] == "file"
    assert filename_of(given) == name


def test_bytes_that_are_not_utf_8_are_latin_1():
    assert filename_of(parameters('form-data; name="file"; filename="é.mp4"'.encode("latin-1"))) == "é.mp4"


def test_a_long_name_keeps_its_extension():
    assert short_name("x" * 300 + ".mp4") == "x" * 251 + ".mp4"
    assert short_name(" a.mp4 ") == "a.mp4" and short_name("." + "y" * 300) == "." + "y" * 254
