"""The inbox: review, edit, reject, sign, release; every refusal in words, nothing on the ledger after it."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from lxml import html

from tests.desk.scene_pages import (
    PASSWORD,
    client,
    enter,
    make_drafts,
    make_scene,
    post,
    release,
    released,
    sign,
    text_of,
)
from tests.warning.scene import WHEN
from wxcore.desk import drafts
from wxcore.desk.drafts import from_input
from wxcore.desk.views import MOST_LISTED
from wxcore.errors import IssueError, TimeError
from wxcore.landing.ledger import MACHINE, Actor, find_draft, list_audit, list_messages, sign_draft
from wxcore.pipeline.issue import Policy, record_of
from wxcore.pipeline.issue import release as release_of_office
from wxcore.times import iso
from wxcore.warning.text import render_texts
from wxcore.warning.words import harm


@pytest.fixture
def scene(tmp_path):
    return make_scene(tmp_path)


def _hail(scene):
    return next(one for (hazard, _), one in scene.drafts.items() if hazard == "hail")


def _state(scene, name):
    return find_draft(scene.office.ledger, name).state


def test_inbox_names_level_in_words_places_and_probability(scene):
    page = text_of(client(scene, "viewer").get("/drafts").text)
    assert "冰雹" in page
    assert "甲区" in page
    assert "80 %" in page or "%" in page
    assert any(colour in page for colour in ("橙色", "红色", "黄色"))
    assert "2 分钟前" in page


def test_newer_draft_is_told(scene):
    later = WHEN + timedelta(minutes=6)
    old = _hail(scene)
    scene.clock.time = later + timedelta(minutes=1)
    newer = [one for one in make_drafts(when=later) if one.hazard == "hail"]
    enter(scene.office, newer, later)
    page = text_of(client(scene, "viewer").get("/drafts").text)
    assert f"已有更新的草稿：{newer[0].id}" in page.replace("： ", "：")
    assert old.id in client(scene, "viewer").get("/drafts").text


def test_viewer_sees_no_form_to_sign_and_may_not(scene):
    browser, name = client(scene, "viewer"), _hail(scene).id
    assert not html.fromstring(browser.get(f"/drafts/{name}").text).xpath("//form[contains(@action, '/sign')]")
    assert post(browser, "/drafts", f"/drafts/{name}/sign", password=PASSWORD).status_code == 403
    assert _state(scene, name) == "draft"


def test_wrong_password_signs_nothing_and_says_so(scene):
    browser, name = client(scene, "forecaster"), _hail(scene).id
    answer = post(browser, f"/drafts/{name}", f"/drafts/{name}/sign", password="not mine at all")
    assert answer.status_code == 409
    assert "密码不正确，未签发" in text_of(answer.text)
    assert _state(scene, name) == "draft"


def test_changed_meanwhile_is_refused_and_shown(scene):
    browser, name = client(scene, "forecaster"), _hail(scene).id
    answer = post(browser, f"/drafts/{name}", f"/drafts/{name}/sign", password=PASSWORD, digest="0" * 64)
    assert answer.status_code == 409
    assert html.fromstring(answer.text).xpath("//*[@role='alert']")
    assert _state(scene, name) == "draft"
    edited = post(browser, f"/drafts/{name}", f"/drafts/{name}/edit", reason="改", digest="0" * 64, level="blue")
    assert edited.status_code == 409
    assert "查看期间已改变" in text_of(edited.text)


def test_edit_makes_a_new_draft_shown_beside_the_old(scene):
    browser, old = client(scene, "forecaster"), _hail(scene)
    answer = post(
        browser, f"/drafts/{old.id}", f"/drafts/{old.id}/edit", reason="实况更强", level=old.level,
        adcodes=[*old.adcodes, "500103"], remark_zh="请注意 <b>人员</b> 安全", remark_en="Mind the people",
    )  # fmt: skip
    assert answer.status_code == 200
    name = answer.url.path.removeprefix("/drafts/")
    assert (_state(scene, old.id), _state(scene, name)) == ("superseded", "draft")
    tree = html.fromstring(answer.text)
    assert any("丙区" in ins.text_content() for ins in tree.xpath("//ins"))
    assert "有改动" in text_of(answer.text)
    assert "请注意 <b>人员</b> 安全" in text_of(answer.text)
    row = find_draft(scene.office.ledger, name)
    assert (row.parent, row.author) == (old.id, "forecaster1")
    # what it was stays as it was
    assert find_draft(scene.office.ledger, old.id).level == old.level


def test_edit_and_reject_need_a_reason(scene):
    browser, name = client(scene, "forecaster"), _hail(scene).id
    for act in ("edit", "reject"):
        answer = post(browser, f"/drafts/{name}", f"/drafts/{name}/{act}", reason="  ", level="blue")
        assert answer.status_code == 409
        assert "理由" in text_of(answer.text)
    assert _state(scene, name) == "draft"
    assert post(browser, f"/drafts/{name}", f"/drafts/{name}/reject", reason="回波减弱").status_code == 200
    assert _state(scene, name) == "rejected"
    assert "回波减弱" in text_of(browser.get("/drafts").text)


def test_review_sign_release_leads_to_the_message(scene):
    browser, name = client(scene, "forecaster"), _hail(scene).id
    assert post(browser, f"/drafts/{name}", f"/drafts/{name}/review").status_code == 200
    assert _state(scene, name) == "review"
    assert "签发后才能发布" in text_of(browser.get(f"/drafts/{name}").text)
    unsigned = release(browser, name, confirm="红色")
    assert unsigned.status_code == 409
    assert "尚未签发" in text_of(unsigned.text)
    assert "已签名，未发布" in text_of(sign(browser, name).text)
    done = release(browser, name, confirm="红色")
    assert done.status_code == 200
    assert done.url.path.startswith("/warnings/wx-")
    (message,) = list_messages(scene.office.ledger, "testland", since=WHEN)
    assert (message.draft_id, message.signed_by, message.status) == (name, "forecaster1", "Test")
    acts = [act.action for act in list_audit(scene.office.ledger, subject=name)]
    assert "sign" in acts


def test_two_hazards_signed_one_page_releases_both(scene):
    browser = client(scene, "forecaster")
    names = [one.id for one in scene.drafts.values()]
    for name in names:
        sign(browser, name)
    page = browser.get("/drafts/release", params={"ids": names})
    assert page.status_code == 200
    assert "将作为新预警发布" in text_of(page.text)
    assert release(browser, *names, confirm="红色").status_code == 200
    assert len(list_messages(scene.office.ledger, "testland", since=WHEN)) == len(names)


def test_red_must_be_typed(tmp_path):
    scene = make_scene(tmp_path)
    browser, name = client(scene, "forecaster"), _hail(scene).id
    red = post(browser, f"/drafts/{name}", f"/drafts/{name}/edit", reason="实况特强", level="red", adcodes="500101")
    name = red.url.path.removeprefix("/drafts/")
    assert find_draft(scene.office.ledger, name).level == "red"
    sign(browser, name)
    refused = release(browser, name, confirm="yes")
    assert refused.status_code == 409
    assert "红色预警" in text_of(refused.text)
    assert not list_messages(scene.office.ledger, "testland", since=WHEN)
    assert html.fromstring(browser.get(f"/drafts/{name}").text).xpath("//input[@id='release-password']")
    for wrong in ("", "not mine at all"):
        refused = release(browser, name, confirm="red", password=wrong)
        assert refused.status_code == 409
        assert "密码不正确，未发布" in text_of(refused.text)
    assert not list_messages(scene.office.ledger, "testland", since=WHEN)
    assert release(browser, name, confirm="red").status_code == 200


def test_an_orange_test_needs_no_second_password(scene):
    browser, name = client(scene, "forecaster"), _hail(scene).id
    assert _hail(scene).level == "orange"
    assert not html.fromstring(sign(browser, name).text).xpath("//input[@id='release-password']")
    assert release(browser, name, password="").status_code == 200


def test_whatever_is_actual_asks_for_the_password_again(tmp_path):
    scene = make_scene(tmp_path, policy=Policy(status="Actual", actual_allowed=True))
    browser, name = client(scene, "forecaster"), _hail(scene).id
    assert html.fromstring(sign(browser, name).text).xpath("//input[@id='release-password']")
    assert "密码不正确，未发布" in text_of(release(browser, name, password="not mine at all").text)


def test_what_went_out_before_a_refusal_is_not_called_refused(scene, monkeypatch):
    browser = client(scene, "forecaster")
    names = [one.id for one in scene.drafts.values()][:2]
    for name in names:
        sign(browser, name)

    def half(office, actor, ids, **more):
        (message,) = release_of_office(office, actor, ids[:1], **more)
        raise IssueError(
            f"released {message.identifier}; refused {ids[1]}", f"已发布 {message.identifier}；未发布 {ids[1]}"
        )

    monkeypatch.setattr(drafts, "release", half)
    answer = release(browser, *names)
    (message,) = list_messages(scene.office.ledger, "testland", since=WHEN)
    assert answer.status_code == 409
    alert = html.fromstring(answer.text).xpath("//*[@role='alert']")[0]
    assert alert.xpath("./strong/text()") == [f"已发布 {message.identifier}；未发布 {names[1]}"]
    assert "未执行" not in text_of(answer.text)
    assert f"/warnings/{message.identifier}" in html.fromstring(answer.text).xpath("//main//a/@href")
    monkeypatch.setattr(drafts, "release", release_of_office)
    scene.clock.time += timedelta(minutes=1)
    assert release(browser, names[1]).status_code == 200


def test_a_signed_draft_stays_in_the_inbox_whatever_the_machine_drafts(scene):
    browser, old = client(scene, "forecaster"), _hail(scene)
    sign(browser, old.id)
    later = WHEN + timedelta(minutes=6)
    scene.clock.time = later + timedelta(minutes=1)
    newer = [one for one in make_drafts(when=later, references=(old.reference,)) if one.hazard == "hail"]
    enter(scene.office, newer, later)

    def card():
        tree = html.fromstring(browser.get("/drafts").text)
        (found,) = tree.xpath(f"//section[@id='open']//li[.//a[@href='/drafts/{old.id}']]")
        return " ".join(found.text_content().split()).replace("： ", "：")

    assert "已签名，未发布" in card()
    assert f"已有更新的草稿：{newer[0].id}" in card()
    post(browser, f"/drafts/{newer[0].id}", f"/drafts/{newer[0].id}/reject", reason="同一过程")
    assert f"已有更新的草稿：{newer[0].id}" in card()
    assert "已签发" not in browser.get("/drafts").text


def test_a_long_inbox_is_cut_but_for_what_is_signed(scene):
    browser, old = client(scene, "forecaster"), min(scene.drafts.values(), key=harm)
    sign(browser, old.id)
    later = WHEN + timedelta(minutes=1)
    many = [replace(one, id=f"{one.id}-{n}") for one in make_drafts(when=later) for n in range(MOST_LISTED // 2)]
    enter(scene.office, many, later)
    tree = html.fromstring(browser.get("/drafts").text)
    assert len(tree.xpath("//section[@id='open']//li")) == MOST_LISTED + 1
    assert tree.xpath(f"//section[@id='open']//a[@href='/drafts/{old.id}']")
    (link,) = tree.xpath("//a[contains(@href, 'all=1')]/@href")
    rest = html.fromstring(browser.get(link).text)
    assert rest.xpath("//body/@data-page") == ["?all=1"]  # what is fetched again at each event
    assert len(rest.xpath("//section[@id='open']//li")) == len(many) + len(scene.drafts)


def test_places_added_by_hand_have_no_probability(tmp_path):
    by_hand = [
        replace(one, p=0.0, districts=tuple(replace(place, p=0.0) for place in one.districts)) for one in make_drafts()
    ]
    scene = make_scene(tmp_path, by_hand)
    browser = client(scene, "viewer")
    for path in ("/drafts", f"/drafts/{_hail(scene).id}"):
        page = text_of(browser.get(path).text)
        assert "预报员添加，无客观概率" in page
        assert " 0 %" not in page


def test_a_signature_and_a_rejection_can_be_taken_back(scene):
    browser, name = client(scene, "forecaster"), _hail(scene).id
    sign(browser, name)
    page = html.fromstring(browser.get(f"/drafts/{name}").text)
    assert not page.xpath("//form[@id='edit'] | //form[contains(@action, '/sign')]")
    assert post(browser, f"/drafts/{name}", f"/drafts/{name}/reopen", reason="").status_code == 409
    assert _state(scene, name) == "signed"
    back = post(browser, f"/drafts/{name}", f"/drafts/{name}/reopen", reason="漏了丙区")
    assert (back.status_code, _state(scene, name)) == (200, "draft")
    assert find_draft(scene.office.ledger, name).signed_by == ""
    assert html.fromstring(back.text).xpath("//form[@id='edit']")
    assert release(browser, name, confirm="红色").status_code == 409
    post(browser, f"/drafts/{name}", f"/drafts/{name}/reject", reason="回波减弱")
    post(browser, f"/drafts/{name}", f"/drafts/{name}/reopen", reason="又发展了")
    assert "撤回签发或退回" in text_of(browser.get(f"/drafts/{name}").text)
    assert sign(browser, name).status_code == 200
    assert [act.action for act in list_audit(scene.office.ledger, subject=name)] == [
        "sign", "reopen", "reject", "reopen", "sign",
    ]  # fmt: skip


@pytest.mark.parametrize(("signer", "status"), [(MACHINE, "Test"), (Actor("forecaster1", "forecaster"), "Exercise")])
def test_a_signature_that_does_not_stand_is_given_anew(scene, signer, status):
    browser, name = client(scene, "forecaster"), _hail(scene).id
    digest = find_draft(scene.office.ledger, name).digest
    sign_draft(scene.office.ledger, signer, name, digest, now=scene.clock(), status=status)
    page = html.fromstring(browser.get(f"/drafts/{name}").text)
    assert page.xpath("//form[contains(@action, '/sign')]")
    assert "请核对后重新签发" in text_of(browser.get(f"/drafts/{name}").text)
    assert "请核对后重新签发" not in text_of(sign(browser, name).text)
    assert find_draft(scene.office.ledger, name).signed_by == "forecaster1"
    assert release(browser, name).status_code == 200


def test_second_release_shows_what_it_supersedes_and_asks_for_lost_places(scene):
    browser, old = client(scene, "forecaster"), _hail(scene)
    sign(browser, old.id)
    first = release(browser, old.id, confirm="红色").url.path.removeprefix("/warnings/")
    update = post(browser, f"/warnings/{first}", f"/warnings/{first}/update", reason="范围缩小")
    name = update.url.path.removeprefix("/drafts/")
    assert first in text_of(update.text)
    keep = [code for code in old.adcodes if code != "500101"] or ["500103"]
    edited = post(browser, f"/drafts/{name}", f"/drafts/{name}/edit", reason="移出甲区", level=old.level, adcodes=keep)
    name = edited.url.path.removeprefix("/drafts/")
    sign(browser, name)
    page = browser.get(f"/drafts/{name}")
    assert html.fromstring(page.text).xpath("//input[@name='lifted']/@value") == ["500101"]
    lost = release(browser, name, confirm="红色")
    assert lost.status_code == 409
    assert len(list_messages(scene.office.ledger, "testland", since=WHEN)) == 1
    scene.clock.time += timedelta(minutes=1)
    done = release(browser, name, confirm="红色", lifted="500101")
    assert done.status_code == 200, text_of(done.text)
    assert len(list_messages(scene.office.ledger, "testland", since=WHEN)) == 2


def test_english_refusals_for_english_readers(scene):
    browser, name = client(scene, "forecaster"), _hail(scene).id
    browser.get("/drafts?lang=en")
    answer = release(browser, name)
    assert answer.status_code == 409
    assert "not signed" in text_of(answer.text)


def test_unknown_draft_is_404(scene):
    browser = client(scene, "forecaster")
    assert browser.get("/drafts/none").status_code == 404
    assert browser.get("/drafts/release?ids=none").status_code == 404


def test_times_of_the_form_are_beijing():
    assert iso(from_input("2025-06-09T19:30")) == "2025-06-09T11:30:00Z"
    with pytest.raises(TimeError):
        from_input("tomorrow")


def test_a_refused_edit_keeps_what_was_typed(scene):
    browser, name = client(scene, "forecaster"), _hail(scene).id
    answer = post(
        browser, f"/drafts/{name}", f"/drafts/{name}/edit", reason="", level="red", expires="2025-06-09T23:45",
        adcodes=["500103"], remark_zh="请收回晾晒物品", remark_en="Take the washing in",
    )  # fmt: skip
    assert answer.status_code == 409
    form = html.fromstring(answer.text).xpath("//form[@id='edit']")[0]
    assert form.xpath(".//option[@selected]/@value") == ["red"]
    assert form.xpath(".//input[@name='expires']/@value") == ["2025-06-09T23:45"]
    assert form.xpath(".//input[@name='adcodes'][@checked]/@value") == ["500103"]
    assert [area.text for area in form.xpath(".//textarea")] == ["请收回晾晒物品", "Take the washing in"]
    answer = post(browser, f"/drafts/{name}", f"/drafts/{name}/edit", reason="实况更强", digest="0" * 64)
    assert html.fromstring(answer.text).xpath("//input[@id='edit-reason']/@value") == ["实况更强"]
    assert html.fromstring(answer.text).xpath("//input[@id='reject-reason']/@value") == [""]


def test_a_refused_release_keeps_what_was_typed_but_no_password(scene):
    browser, name = client(scene, "forecaster"), _hail(scene).id
    sign(browser, name)
    answer = release(browser, name, reason="实况出现", override="雹暴多发", lifted="500999")
    tree = html.fromstring(answer.text)
    assert tree.xpath("//input[@name='reason']/@value") == ["实况出现"]
    assert tree.xpath("//input[@name='override']/@value") == ["雹暴多发"]
    assert not any(tree.xpath("//input[@type='password' or @name='confirm']/@value"))


def test_what_was_typed_is_shown_where_the_form_is_gone(scene):
    browser, name = client(scene, "forecaster"), _hail(scene).id
    sign(browser, name)
    typed = {"reason": "补充", "remark_zh": "请收回晾晒物品", "adcodes": _hail(scene).adcodes}
    answer = post(browser, f"/drafts/{name}", f"/drafts/{name}/edit", **typed)
    assert answer.status_code == 409
    (card,) = html.fromstring(answer.text).xpath("//*[@data-unsaved][not(@hidden)]")
    assert "您填写的内容未保存" in card.text_content()
    assert card.xpath(".//li/text()") == ["补充", "请收回晾晒物品"]
    assert not html.fromstring(browser.get(f"/drafts/{name}").text).xpath("//*[@data-unsaved][not(@hidden)]")


def test_language_link_and_reload_after_a_refusal_lead_to_the_page(scene):
    browser, name = client(scene, "forecaster"), _hail(scene).id
    answer = post(browser, f"/drafts/{name}", f"/drafts/{name}/edit", reason="")
    (link,) = html.fromstring(answer.text).xpath("//div[@class='who']/a[@lang='en']/@href")
    assert link == f"/drafts/{name}?lang=en"
    again = browser.get(f"/drafts/{name}/edit?lang=en")
    assert (again.status_code, again.url.path, again.url.query) == (200, f"/drafts/{name}", b"lang=en")
    refused = release(browser, name)
    (link,) = html.fromstring(refused.text).xpath("//div[@class='who']/a[@lang]/@href")
    shown = browser.get(link)
    assert shown.url.params.get_list("ids") == [name]
    assert "核对并发布" in text_of(shown.text)


def test_nothing_ticked_is_told_in_words(scene):
    browser = client(scene, "forecaster")
    for answer in (browser.get("/drafts/release"), post(browser, "/drafts", "/drafts/release")):
        assert answer.status_code == 409
        assert "勾选要发布的" in text_of(answer.text)
        assert "待处理" in text_of(answer.text)


def test_the_most_harmful_comes_first(scene):
    browser = client(scene, "viewer")
    shown = html.fromstring(browser.get("/drafts").text).xpath("//section[@id='open']//li//p/a/@href")
    worst = sorted(scene.drafts.values(), key=harm, reverse=True)
    assert shown == [f"/drafts/{one.id}" for one in worst]
    later = WHEN + timedelta(minutes=1)
    weak = [replace(one, id=f"{one.id}-weak") for one in make_drafts(when=later) if one.id != worst[0].id][-1:]
    enter(scene.office, [replace(one, level="blue") for one in weak], later)
    shown = html.fromstring(browser.get("/drafts").text).xpath("//section[@id='open']//li//p/a/@href")
    assert shown[0] == f"/drafts/{worst[0].id}"


def test_live_warnings_the_most_harmful_first(scene):
    browser = client(scene, "forecaster")
    worst = sorted(scene.drafts.values(), key=harm, reverse=True)
    identifiers = []
    for one in worst:  # the least harmful is released last
        sign(browser, one.id)
        identifiers.append(release(browser, one.id).url.path.removeprefix("/warnings/"))
        scene.clock.time += timedelta(seconds=10)
    for path, base in (("/warnings", "/warnings/"), ("/m", "/m/")):
        links = html.fromstring(browser.get(path).text).xpath("//section[@id='live']//li//a/@href")
        assert links == [base + name for name in identifiers]


def _chained(scene):
    """A newer machine draft of hail, an update of an earlier draft that nobody released."""
    later = WHEN + timedelta(minutes=6)
    scene.clock.time = later + timedelta(minutes=1)
    newer = make_drafts(when=later, references=(_hail(scene).reference,), msg_type="Update", serial=2)
    newer = [render_texts(one, scene.office.book) for one in newer if one.hazard == "hail"]
    enter(scene.office, newer, later)
    return newer[0]


def test_shown_is_what_would_go_out_now(scene):
    browser, draft = client(scene, "forecaster"), _chained(scene)
    assert "更新" in draft.headline_zh
    for path in ("/drafts", f"/drafts/{draft.id}", f"/drafts/release?ids={draft.id}"):
        page = text_of(browser.get(path).text)
        assert "更新冰雹" not in page, path
        assert "发布冰雹橙色预警" in page, path
    sign(browser, draft.id)
    page = browser.get(f"/drafts/release?ids={draft.id}")
    message = release(browser, draft.id).url.path.removeprefix("/warnings/")
    (row,) = list_messages(scene.office.ledger, "testland", since=WHEN)
    assert row.identifier == message
    sent = record_of(row)
    for text in (sent.headline_zh, sent.description_zh, sent.headline_en, sent.description_en):
        assert " ".join(text.split()) in text_of(page.text)


def test_why_it_cannot_go_out_now_is_told(scene):
    browser, draft = client(scene, "forecaster"), _hail(scene)
    scene.clock.time = WHEN + timedelta(minutes=61)
    page = browser.get(f"/drafts/{draft.id}")
    assert page.status_code == 200
    assert "现在还不能发布：" in text_of(page.text)
    assert "超过60分钟" in text_of(page.text)


def test_looking_at_what_would_go_out_enters_nothing(scene):
    browser, draft = client(scene, "forecaster"), _chained(scene)
    sign(browser, draft.id)
    acts = len(list_audit(scene.office.ledger))
    browser.get(f"/drafts/{draft.id}")
    browser.get(f"/drafts/release?ids={draft.id}")
    assert len(list_audit(scene.office.ledger)) == acts
    assert not list_messages(scene.office.ledger, "testland", since=WHEN)


def test_several_hazards_are_shown_naming_each_other_as_they_go_out(scene):
    browser, names = client(scene, "forecaster"), [one.id for one in scene.drafts.values()]
    for name in names:
        sign(browser, name)
    page = text_of(browser.get("/drafts/release", params={"ids": names}).text)
    release(browser, *names)
    rows = list_messages(scene.office.ledger, "testland", since=WHEN)
    assert len(rows) == len(names)
    for row in rows:
        assert " ".join(record_of(row).description_zh.split()) in page


def test_signing_leads_on_to_the_release(scene):
    browser, name = client(scene, "forecaster"), _hail(scene).id
    page = html.fromstring(browser.get(f"/drafts/{name}").text)
    assert page.xpath("//section[@id='head']//a/@href")[-2:] == ["#sign", "#release"]
    answer = sign(browser, name)
    assert answer.history[-1].headers["location"] == f"/drafts/{name}#release"
    tree = html.fromstring(answer.text)
    assert "已签名，尚未发布。下一步" in tree.xpath("//section[@id='release']//p[@class='next']")[0].text_content()
    assert not html.fromstring(client(scene, "viewer").get(f"/drafts/{name}").text).xpath("//p[@class='next']")


def test_an_edited_draft_leads_to_the_edit(scene):
    browser, name = client(scene, "forecaster"), _hail(scene).id
    for old, words in ((name, "一"), (f"{name}.e1", "二")):
        typed = {"reason": words, "remark_zh": words, "adcodes": _hail(scene).adcodes}
        assert post(browser, f"/drafts/{old}", f"/drafts/{old}/edit", **typed).status_code == 200
    for old, new in ((name, f"{name}.e1"), (f"{name}.e1", f"{name}.e2")):
        head = html.fromstring(browser.get(f"/drafts/{old}").text).xpath("//section[@id='head']")[0]
        assert f"/drafts/{new}" in head.xpath(".//p[@class='next']/a/@href")
        closed = html.fromstring(browser.get("/drafts").text).xpath("//section[@id='closed']")[0]
        assert closed.xpath(f".//li[a[1]/@href='/drafts/{old}']/a/@href") == [f"/drafts/{old}", f"/drafts/{new}"]
    last = html.fromstring(browser.get(f"/drafts/{name}.e2").text).xpath("//section[@id='head']")[0]
    assert last.xpath(".//p[@class='next']/a/@href") == ["#sign", "#release"]


def test_a_cancellation_does_not_read_like_a_threat(scene):
    browser = client(scene, "forecaster")
    first = released(browser, scene)
    draft = post(browser, f"/warnings/{first}", f"/warnings/{first}/cancel", reason="回波减弱")
    name = draft.url.path.removeprefix("/drafts/")

    def looks(tree):
        assert not tree.xpath(".//*[contains(@class, 'level-orange')] | self::*[contains(@class, 'level-edge-orange')]")
        assert "%" not in tree.text_content()
        assert not re.search(r"\d\d:\d\d – ", tree.text_content())

    looks(html.fromstring(draft.text).xpath("//section[@id='head']")[0])
    assert not html.fromstring(draft.text).xpath("//section[@aria-label='依据']")
    looks(html.fromstring(browser.get("/drafts").text).xpath(f"//li[.//a/@href='/drafts/{name}']")[0])
    scene.clock.time += timedelta(minutes=1)
    sign(browser, name)
    gone = release(browser, name).url.path
    card = html.fromstring(browser.get("/warnings").text).xpath(f"//li[.//a/@href='{gone}']")[0]
    looks(card)
    assert "自6月" in card.text_content()
    looks(
        html.fromstring(browser.get("/drafts").text).xpath(f"//section[@id='closed']//li[a/@href='/drafts/{name}']")[0]
    )


def test_the_live_parts_of_a_draft_say_what_became_of_it(scene):
    browser, name = client(scene, "forecaster"), _hail(scene).id
    live = {"head", "compare", "acts", "release", "audit"}
    page = html.fromstring(browser.get(f"/drafts/{name}").text)
    assert set(page.xpath("//*[@data-live]/@id")) == live
    assert page.xpath("//*[@id='acts']/@data-state") == ["draft"]
    sign(browser, name)
    acts = html.fromstring(browser.get(f"/drafts/{name}").text).xpath("//*[@id='acts']")[0]
    assert acts.get("data-state") == "signed"
    assert "已签名，未发布” (forecaster1)" in acts.get("data-told")
    release(browser, name)
    page = html.fromstring(browser.get(f"/drafts/{name}").text)
    assert set(page.xpath("//*[@data-live]/@id")) == live
    assert "已发布” (forecaster1)" in page.xpath("//*[@id='acts']/@data-told")[0]
    kept = post(browser, f"/drafts/{name}", f"/drafts/{name}/reject", reason="")
    assert html.fromstring(kept.text).xpath("//*[@data-kept]/@id") == ["acts", "release"]


def test_a_session_that_ended_leads_back_to_the_draft(scene):
    browser, name = client(scene, "forecaster"), _hail(scene).id
    browser.get("/drafts")
    browser.cookies.clear()
    answer = browser.post(f"/drafts/{name}/edit", data={"reason": "x"})
    assert answer.status_code == 401
    tree = html.fromstring(answer.text)
    assert tree.xpath("//main//a/@href")[0] == f"/login?next=/drafts/{name}"
    (note,) = tree.xpath("//*[@data-kept]")
    assert (note.get("data-kept"), "hidden" in note.attrib) == (f"/drafts/{name}", True)
    assert tree.xpath("//script/@src") == ["/static/draft.js"]
