"""From a plan to jobs."""

from __future__ import annotations

from buildbox.config.model import Matrix, Service
from buildbox.pipelines.jobs import MOST_MINUTES, matrix, one_job, shareable, task_jobs
from buildbox.reference import ImageRef
from buildbox.tasks.plan import Step, plan_tasks
from tests.support.values import PIN, config, task, toolchain
from tests.unit.pipelines.given import allow_nothing, jobs_of

MATRIX = Matrix(("tools",), {"N": ("1", "2")})


def test_a_job_for_each_task_with_its_variants_and_needs() -> None:
    jobs = jobs_of(
        task("fetch", description="Fetches"),
        task("test", matrix=MATRIX, needs=("fetch",)),
        task("all", needs=("test[N=2]", "fetch")),
    )
    assert list(jobs) == ["fetch", "test", "all"]
    assert (jobs["fetch"].addresses, jobs["fetch"].variants) == (("fetch",), ())
    assert jobs["fetch"].description == "Fetches"
    assert jobs["test"].variants == ("tools,N=1", "tools,N=2")
    assert (jobs["test"].needs, jobs["all"].needs) == (("fetch",), ("test", "fetch"))


def test_a_job_has_only_the_variants_that_are_planned() -> None:
    made = config(task("test", matrix=MATRIX), task("all", needs=("test[N=2]",)))
    (test, _) = task_jobs(plan_tasks(made, ["all"]), allow_nothing, lambda ref: None)
    assert test.variants == ("tools,N=2",)


def test_what_needs_take_is_what_the_job_takes() -> None:
    """It runs them, too, where no result is there."""
    database = Service("db", ImageRef.parse(PIN))
    jobs = jobs_of(
        task("fetch", secrets=("TOKEN",), services=("db",), toolchain="other", timeout=100, retries=2),
        task("test", needs=("fetch",), pass_env=("OPTS",), timeout=30),
        toolchains=(toolchain("tools"), toolchain("other")),
        services=(database,),
    )
    assert jobs["test"].images == ("other", "services.db", "tools")
    assert jobs["test"].secrets == ("TOKEN",)
    assert (jobs["fetch"].passed, jobs["test"].passed) == ((), ("OPTS",))
    assert (jobs["fetch"].minutes, jobs["test"].minutes) == (15 + 5, 15 + 6)


def test_time_outs_have_a_default_and_an_end() -> None:
    jobs = jobs_of(task("a"), task("b", timeout=60), task("c", timeout=1e7), task("d", needs=("a", "b")))
    assert [jobs[name].minutes for name in "abcd"] == [75, 16, MOST_MINUTES, 75]


def test_credentials_that_are_let_through_are_secrets_there() -> None:
    def allow(step: Step) -> tuple[str, ...]:
        return ("env=NPM_TOKEN", "network=host") if step.name == "fetch" else ()

    made = config(task("fetch", pass_env=("NPM_TOKEN", "OPTS")), task("test", needs=("fetch",)))
    plan = plan_tasks(made, ["test"])
    for job in task_jobs(plan, allow, lambda ref: None):
        assert (job.secrets, job.passed) == (("NPM_TOKEN",), ("OPTS",))
        assert job.allow == ("env=NPM_TOKEN", "network=host")


def test_only_what_is_hermetic_and_may_be_reused_is_shared() -> None:
    outputs = {"hermetic": True, "outputs": ("out/{N}",)}
    made = config(
        task("a", matrix=Matrix((), {"N": ("1", "2")}), **outputs),
        task("b", hermetic=True, network="bridge"),
        task("c", hermetic=True),
        task("d"),
    )
    assert shareable(plan_tasks(made, ["a", "b", "c", "d"]), made) == ("a", "c")
    assert shareable(plan_tasks(made, ["a[N=1]", "d"]), made) == ("a[N=1]",)


def test_all_in_one() -> None:
    made = config(task("a"), task("b", needs=("a",), hermetic=True, outputs=("x",)), task("c"))
    plan = plan_tasks(made, ["b", "c"])
    job = one_job(plan, "build", ["b", "c"], allow_nothing, lambda ref: "python/3.11")
    assert (job.addresses, job.needs, job.outputs, job.provenance) == (("b", "c"), (), ("x",), True)
    assert job.recipes == {"tools": "python/3.11"}


def test_a_matrix_has_the_targets_alone() -> None:
    made = config(task("a"), task("b", matrix=MATRIX, needs=("a",), timeout=600))
    found = matrix(plan_tasks(made, ["b[N=2]"]))
    assert found == [
        {
            "task": "b[tools,N=2]",
            "name": "b",
            "variant": "tools,N=2",
            "toolchain": "tools",
            "hermetic": False,
            "needs": ["a"],
            "outputs": [],
            "timeout-minutes": 75,
        }
    ]
