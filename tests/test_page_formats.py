"""PAGE XML and ALTO: records against ones written by hand, in every dialect, and hostile files."""

from pathlib import Path

import pytest

from recog.errors import InputError
from recog.formats import alto, page_xml, xml_file
from recog.formats.document import Page, Point, Region, TextLine

PAGE_XML = """<?xml version="1.0" encoding="UTF-8"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
  <Metadata><Creator>me</Creator></Metadata>
  <Page imageFilename="C:\\scans\\p1.jpg" imageWidth="200" imageHeight="300">
    <ReadingOrder><OrderedGroup id="g">
      <RegionRefIndexed index="1" regionRef="first"/>
      <OrderedGroupIndexed index="0" id="h"><RegionRefIndexed index="0" regionRef="second"/></OrderedGroupIndexed>
      <RegionRefIndexed index="2" regionRef="gone"/>
    </OrderedGroup></ReadingOrder>
    <TextRegion id="first" type="paragraph" orientation="-90"><Coords points="0,0 100,0 100,50"/>
      <!-- a note -->
      <TextLine id="a"><Coords points="1,2 3.5,4 5,6"/><Baseline points="1,5 9,6"/>
        <TextEquiv index="1"><Unicode>worse</Unicode></TextEquiv>
        <TextEquiv index="0"><PlainText>no</PlainText><Unicode> Grüße &amp;
          Küsse </Unicode></TextEquiv></TextLine>
      <TextLine id="b"><Coords points=""/>
        <Word><TextEquiv><Unicode>two</Unicode></TextEquiv></Word>
        <Word><TextEquiv><Unicode>words</Unicode></TextEquiv></Word>
        <TextEquiv><Unicode></Unicode></TextEquiv></TextLine>
    </TextRegion>
    <TextRegion id="second"><TextLine/></TextRegion>
    <TableRegion id="t"><TextRegion id="third"/></TableRegion>
  </Page>
</PcGts>
"""


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def points(*values: float) -> tuple[Point, ...]:
    return tuple(Point(x, y) for x, y in zip(values[::2], values[1::2], strict=True))


def test_page_xml_is_read_in_reading_order(tmp_path: Path) -> None:
    first = Region(
        "first",
        points(0, 0, 100, 0, 100, 50),
        (
            TextLine("a", points(1, 2, 3.5, 4, 5, 6), points(1, 5, 9, 6), "Grüße & Küsse"),
            TextLine("b", (), (), "two words"),
        ),
        "paragraph",
        -90.0,
    )
    second = Region("second", (), (TextLine("second line 0", (), (), ""),))
    expected = Page("C:\\scans\\p1.jpg", 200, 300, (second, first, Region("third", (), ())))
    assert page_xml.read(written(tmp_path / "p.xml", PAGE_XML)) == expected


@pytest.mark.parametrize(
    "opening", ["<PcGts>", '<pc:PcGts xmlns:pc="urn:odd" xmlns="urn:odd">', '<PcGts xmlns="urn:other">']
)
def test_namespaces_do_not_matter(tmp_path: Path, opening: str) -> None:
    closing = "</pc:PcGts>" if "pc:" in opening else "</PcGts>"
    body = PAGE_XML[PAGE_XML.index("<Metadata>") : PAGE_XML.index("</PcGts>")]
    odd = page_xml.read(written(tmp_path / "odd.xml", opening + body + closing))
    assert odd == page_xml.read(written(tmp_path / "p.xml", PAGE_XML))


def test_page_xml_of_2010_has_its_points_one_by_one(tmp_path: Path) -> None:
    old = """<PcGts><Page imageFilename="a.tif"><TextRegion id="r"><Coords><Point x="1" y="2"/><Point x="3" y="4"/>
      </Coords></TextRegion><TextRegion id="r"/></Page></PcGts>"""
    regions = (Region("r", points(1, 2, 3, 4), ()), Region("r 1", (), ()))  # an id that comes twice loses nothing
    assert page_xml.read(written(tmp_path / "p.xml", old)) == Page("a.tif", 0, 0, regions)


ALTO = """<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#">
  <Description><MeasurementUnit>{unit}</MeasurementUnit>
    <sourceImageInformation><fileName>scans/p1.png</fileName></sourceImageInformation></Description>
  <Layout><Page WIDTH="{width}" HEIGHT="300"><PrintSpace>
    <ComposedBlock><TextBlock ID="b1" HPOS="1" VPOS="2" WIDTH="30" HEIGHT="40" ROTATION="90">
      <TextLine ID="l1" HPOS="1" VPOS="2" WIDTH="10" HEIGHT="5" BASELINE="6">
        <String CONTENT="Sonnen"/><SP/><String CONTENT=" auf "/><SP/><String CONTENT="un"/><HYP CONTENT="-"/></TextLine>
      <TextLine ID="l2" BASELINE="1,20 9,21"><Shape><Polygon POINTS="0 10 9 10 9 20 0 20"/></Shape>
        <String CONTENT="ter&amp;gang"/></TextLine>
    </TextBlock></ComposedBlock>
    <TextBlock><TextLine><String/></TextLine></TextBlock>
  </PrintSpace></Page></Layout></alto>
"""


@pytest.mark.parametrize("unit", ["pixel", "mm10", "inch1200"])
def test_alto_is_read(tmp_path: Path, unit: str) -> None:
    block = Region(
        "b1",
        points(1, 2, 31, 2, 31, 42, 1, 42),
        (
            TextLine("l1", points(1, 2, 11, 2, 11, 7, 1, 7), points(1, 6, 11, 6), "Sonnen auf un-"),
            TextLine("l2", points(0, 10, 9, 10, 9, 20, 0, 20), points(1, 20, 9, 21), "ter&gang"),
        ),
        "",
        90.0,
    )
    empty = Region("block 1", (), (TextLine("block 1 line 0", (), (), ""),))
    expected = Page("scans/p1.png", 200, 300, (block, empty))
    assert alto.read(written(tmp_path / "a.xml", ALTO.format(unit=unit, width=200))) == expected


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (ALTO.format(unit="furlong", width=9), "measures in 'furlong'; expected pixel"),
        (ALTO.format(unit="mm10", width=0), "measures in 'mm10'; expected pixel, or mm10 or inch1200 with"),
        (ALTO.format(unit="pixel", width="wide"), r"line 4 of .*a\.xml: Page has WIDTH 'wide'; expected a number"),
        (ALTO.format(unit="pixel", width="1e99"), "WIDTH '1e99'"),
        (ALTO.format(unit="pixel", width=9).replace("0 10 9 10", "0 10 9"), r"line 8 .*Polygon has POINTS .*x,y pairs"),
        ("<alto><Layout><Page/><Page/></Layout></alto>", "holds 2 pages; expected one"),
        ("<PcGts/>", "is not ALTO XML: its root is 'PcGts'"),
    ],
)
def test_broken_alto_is_refused_by_line(tmp_path: Path, content: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        alto.read(written(tmp_path / "a.xml", content))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("<alto/>", "is not PAGE XML: its root is 'alto'"),
        ("<PcGts/>", "holds no Page"),
        (PAGE_XML.replace("3.5,4", "nan,4"), r"line 12 of .*: Coords has points '1,2 nan,4 5,6'; expected x,y pairs"),
        (PAGE_XML.replace('"200"', '"many"'), "Page has imageWidth 'many'"),
        (PAGE_XML[:-20], "is not well-formed XML"),
        ("", "is not well-formed XML"),
    ],
)
def test_broken_page_xml_is_refused_by_line(tmp_path: Path, content: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        page_xml.read(written(tmp_path / "p.xml", content))


LAUGHS = "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10 if k else "ha"}">' for k in range(12))


@pytest.mark.parametrize(
    "declared",
    [
        LAUGHS,
        '<!ENTITY x SYSTEM "file:///etc/passwd">',
        '<!ENTITY % x SYSTEM "http://localhost:1/x.dtd"> %x;',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_entities_are_refused_before_they_are_parsed(tmp_path: Path, declared: str, encoding: str) -> None:
    hostile = f'<?xml version="1.0"?><!DOCTYPE PcGts [{declared}]><PcGts><Page imageFilename="&l11;&x;"/></PcGts>'
    bom = {"utf-8": b"", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}[encoding]
    with pytest.raises(InputError, match="declares entities of its own"):
        page_xml.read(written(tmp_path / "p.xml", bom + hostile.encode(encoding)))


def test_an_external_document_type_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "x.dtd").write_text('<!ATTLIST Page imageFilename CDATA "from outside">')
    asks = f'<!DOCTYPE PcGts SYSTEM "{(tmp_path / "x.dtd").as_uri()}"><PcGts><Page/></PcGts>'
    assert page_xml.read(written(tmp_path / "p.xml", asks)).image == ""


def test_limits_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "p.xml", PAGE_XML)
    for limit, value, sentence in (
        ("LIMIT_BYTES", 100, r"bytes; the limit for XML is 100"),
        ("LIMIT_LINES", 2, "holds 3 text lines; the limit is 2"),
        ("LIMIT_POINTS", 2, r"Coords has 3 points; the limit is 2"),
    ):
        with monkeypatch.context() as patch, pytest.raises(InputError, match=sentence):
            patch.setattr(xml_file, limit, value)
            page_xml.read(path)
    deep = "<PcGts><Page>" + "<a>" * 5000 + "</a>" * 5000 + "</Page></PcGts>"
    with pytest.raises(InputError, match="not well-formed"):
        page_xml.read(written(tmp_path / "deep.xml", deep))
    with pytest.raises(InputError, match="cannot be read"):
        page_xml.read(tmp_path / "missing.xml")
