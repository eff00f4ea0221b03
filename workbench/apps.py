from django.apps import AppConfig


class WorkbenchConfig(AppConfig):
    name = "workbench"

    def ready(self) -> None:
        # Importing the Celery application makes it the current one, which `shared_task` and `delay_on_commit` ask
        # for. Not in the package's __init__: the supervisor imports that and must stay small.
        from workbench import access, celery  # noqa: F401

        access.register()
