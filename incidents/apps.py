from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    name = "incidents"

    def ready(self) -> None:
        from incidents import access, intake, receivers

        access.register()
        intake.register()
        receivers.connect()
